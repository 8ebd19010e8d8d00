// HttpServer: listening, TLS set-up, start and stop. What happens on a connection is in
// http_server_session.cc.
//
// A handler answers through Respond, from any thread and at any time. Respond holds no socket: only
// a gate that the server closes at its end, and a weak reference to the waiting connection.
#include "common/net/http_server.h"

#include <fmt/core.h>
#include <openssl/ssl.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/base/file_system.h"
#include "common/base/log.h"
#include "common/net/http_server_shared.h"
#include "common/net/url.h"

namespace tocsin::net {
namespace {

using namespace server;  // NOLINT: the other half of this folder's server

constexpr base::Duration kStopGrace{2'000};
constexpr base::Duration kAcceptPause{100};

asio::awaitable<void> accept_loop(std::shared_ptr<Shared> shared, std::shared_ptr<Gate> gate) {
  while (!shared->stopping) {
    const Strand strand = asio::make_strand(shared->executor.io());
    tcp::socket socket(strand);
    error_code error;
    co_await shared->acceptor.async_accept(socket,
                                           asio::redirect_error(asio::use_awaitable, error));
    if (!error) {
      start_session(shared, gate, std::move(socket), strand);
      continue;
    }
    if (error == asio::error::operation_aborted || !shared->acceptor.is_open()) co_return;
    // Out of descriptors or memory: those who are connected go on, new ones wait in the kernel.
    shared->count_refused("accept");
    base::log_warning("net/http_server", "cannot accept a connection: {}", error.message());
    asio::steady_timer pause(co_await asio::this_coro::executor, kAcceptPause);
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
  }
}

base::Result<std::shared_ptr<asio::ssl::context>> load_tls(const ServerOptions& options) {
  const auto bad = [](std::string_view setting, const std::string& path, std::string_view why) {
    return base::error(base::ErrorCode::InvalidArgument,
                       fmt::format("{} '{}': {}", setting, path, why));
  };
  const auto files = base::make_real_file_system();
  const auto mode = files->mode(options.tls_key_file);
  if (!mode) return bad("tls_key_file", options.tls_key_file, mode.error().message);
  if ((*mode & 077U) != 0) {
    return bad("tls_key_file", options.tls_key_file,
               fmt::format("mode {:04o} lets others use the key; set it to 0600", *mode & 07777U));
  }
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  SSL_CTX* native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(
      native, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  error_code error;
  context->use_certificate_chain_file(options.tls_cert_file, error);
  if (error) return bad("tls_cert_file", options.tls_cert_file, error.message());
  context->use_private_key_file(options.tls_key_file, asio::ssl::context::pem, error);
  if (error) return bad("tls_key_file", options.tls_key_file, error.message());
  if (SSL_CTX_check_private_key(native) != 1) {
    return bad("tls_key_file", options.tls_key_file, "does not belong to the certificate");
  }
  return context;
}

base::Result<void> listen(Shared& shared) {
  const std::string& text = shared.options.listen;
  auto parsed = parse_host_port(text);
  if (!parsed) return base::with_context(parsed.error(), "setting 'listen'");
  error_code error;
  const std::string host = parsed->host == "localhost" ? "127.0.0.1" : parsed->host;
  const auto address = asio::ip::make_address(host, error);
  if (error) {
    return base::error(base::ErrorCode::InvalidArgument,
                       fmt::format("setting 'listen': '{}' is not an IP address", host));
  }
  const tcp::endpoint endpoint(address, parsed->port);
  tcp::acceptor& acceptor = shared.acceptor;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return base::error(
        base::ErrorCode::Io,
        fmt::format("cannot listen on {} (setting 'listen'): {}", text, error.message()));
  }
  return base::ok();
}

class BeastServer final : public HttpServer {
 public:
  explicit BeastServer(std::shared_ptr<Shared> shared)
      : shared_(std::move(shared)), gate_(std::make_shared<Gate>()) {
    error_code ignored;
    port_ = shared_->acceptor.local_endpoint(ignored).port();
    asio::co_spawn(shared_->acceptor.get_executor(), accept_loop(shared_, gate_), asio::detached);
  }
  ~BeastServer() override {
    stop();
    base::MutexLock lock(gate_->mutex);
    gate_->open = false;
  }

  unsigned short port() const override { return port_; }

  base::Result<void> reload_tls() override {
    if (shared_->options.tls_cert_file.empty()) return base::ok();
    TC_TRY(auto context, load_tls(shared_->options));
    base::MutexLock lock(shared_->mutex);
    shared_->tls = std::move(context);  // connections keep the one they began with
    return base::ok();
  }

  void stop() override {
    std::set<std::shared_ptr<SessionBase>> open;
    {
      base::MutexLock lock(shared_->mutex);
      if (shared_->stopping.exchange(true)) return;
      open = shared_->sessions;
    }
    asio::post(shared_->acceptor.get_executor(), [shared = shared_] {
      error_code ignored;
      shared->acceptor.close(ignored);
    });
    for (const auto& session : open) session->drain();
    if (wait_until_empty(kStopGrace)) return;
    for (const auto& session : open) session->abort();
    wait_until_empty(kStopGrace);
  }

 private:
  bool wait_until_empty(base::Duration limit) {
    if (shared_->executor.running_here() || shared_->executor.io().stopped()) return false;
    base::MutexLock lock(shared_->mutex);
    return shared_->session_ended.wait_for(
        shared_->mutex, limit,
        [this]() REQUIRES(shared_->mutex) { return shared_->sessions.empty(); });
  }

  const std::shared_ptr<Shared> shared_;
  const std::shared_ptr<Gate> gate_;
  unsigned short port_ = 0;
};

}  // namespace

base::Result<std::unique_ptr<HttpServer>> HttpServer::start(base::AsioExecutor& io,
                                                            const ServerOptions& options,
                                                            Handler handler) {
  auto shared = std::make_shared<Shared>(io, options, std::move(handler));
  if (!options.tls_cert_file.empty()) {
    TC_TRY(auto context, load_tls(options));
    base::MutexLock lock(shared->mutex);
    shared->tls = std::move(context);
  }
  TC_TRY(listen(*shared));
  return std::unique_ptr<HttpServer>(std::make_unique<BeastServer>(std::move(shared)));
}

}  // namespace tocsin::net
