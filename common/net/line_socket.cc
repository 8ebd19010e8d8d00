#include "common/net/line_socket.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/base/strings.h"

namespace tocsin::net {
namespace {

constexpr std::size_t kLineBytesMax = 16 << 10;
constexpr std::size_t kReadBytes = 4096;

struct AddressesFree {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};
struct ContextFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

bool is_address(const std::string& host) {
  unsigned char buffer[16];
  return inet_pton(AF_INET, host.c_str(), buffer) == 1 ||
         inet_pton(AF_INET6, host.c_str(), buffer) == 1;
}

std::string tls_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
  return text == nullptr ? "connection lost" : text;
}

base::Result<std::unique_ptr<SSL_CTX, ContextFree>> make_context(const TlsOptions& options) {
  const auto bad = [](std::string what) {
    return base::error(base::ErrorCode::InvalidArgument, std::move(what));
  };
  std::unique_ptr<SSL_CTX, ContextFree> context(SSL_CTX_new(TLS_client_method()));
  if (!context) return base::error(base::ErrorCode::Unavailable, "no memory for TLS");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), options.insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
  if (options.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else if (SSL_CTX_load_verify_locations(context.get(), options.ca_file.c_str(), nullptr) != 1) {
    return bad(fmt::format("ca_file '{}': {}", options.ca_file, tls_reason()));
  }
  if (!options.client_cert_file.empty()) {
    const std::string& key =
        options.client_key_file.empty() ? options.client_cert_file : options.client_key_file;
    if (SSL_CTX_use_certificate_chain_file(context.get(), options.client_cert_file.c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) != 1) {
      return bad(
          fmt::format("client certificate '{}': {}", options.client_cert_file, tls_reason()));
    }
  }
  return context;
}

}  // namespace

struct LineSocket::Impl {
  explicit Impl(const base::Clock& the_clock)
      : clock(the_clock), event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Impl() {
    close();
    if (event >= 0) ::close(event);
  }

  enum class Waited { Ready, Deadline, Woken };

  // Waits for `events` on the socket.
  Waited wait(short events, base::MonotonicTime deadline, bool wakeable) {
    for (;;) {
      const auto rest =
          std::chrono::duration_cast<base::Duration>(deadline - clock.monotonic()).count();
      if (rest <= 0) return Waited::Deadline;
      pollfd fds[2] = {{socket, events, 0}, {wakeable ? event : -1, POLLIN, 0}};
      const int ready = ::poll(fds, 2, static_cast<int>(std::min<std::int64_t>(rest, 60'000)));
      if (ready < 0 && errno != EINTR) return Waited::Ready;  // the next call says what is wrong
      if (ready <= 0) continue;
      if (fds[0].revents != 0) return Waited::Ready;
      if (fds[1].revents != 0) {
        std::uint64_t count = 0;
        static_cast<void>(!::read(event, &count, sizeof count));
        return Waited::Woken;
      }
    }
  }

  base::Error fail(base::ErrorCode code, std::string_view what) {
    close();
    return base::error(code, fmt::format("{}: {}", name, base::escape_control(what)));
  }

  base::Result<void> connect_one(const addrinfo& address, base::MonotonicTime deadline) {
    socket = ::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket < 0) return fail(base::ErrorCode::Unavailable, std::strerror(errno));
    if (::connect(socket, address.ai_addr, address.ai_addrlen) == 0) return base::ok();
    if (errno != EINPROGRESS) return fail(base::ErrorCode::Unavailable, std::strerror(errno));
    if (wait(POLLOUT, deadline, false) != Waited::Ready) {
      return fail(base::ErrorCode::Timeout, "cannot connect: no answer in time");
    }
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return fail(base::ErrorCode::Unavailable, std::strerror(error));
    return base::ok();
  }

  // Runs one TLS call until it is through.
  template <class Call>
  base::Result<int> tls_call(Call call, base::MonotonicTime deadline) {
    for (;;) {
      ERR_clear_error();
      const int done = call();
      if (done > 0) return done;
      const int why = SSL_get_error(ssl.get(), done);
      const short events = why == SSL_ERROR_WANT_READ    ? POLLIN
                           : why == SSL_ERROR_WANT_WRITE ? POLLOUT
                                                         : 0;
      if (events == 0) return fail(base::ErrorCode::Unavailable, tls_reason());
      if (wait(events, deadline, false) != Waited::Ready) {
        return fail(base::ErrorCode::Timeout, "no answer in time");
      }
    }
  }

  // Reads what is there: bytes, 0 for nothing yet.
  base::Result<std::size_t> read_some() {
    char bytes[kReadBytes];
    std::size_t size = 0;
    if (ssl) {
      ERR_clear_error();
      const int got = SSL_read(ssl.get(), bytes, sizeof bytes);
      if (got <= 0) {
        const int why = SSL_get_error(ssl.get(), got);
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return std::size_t{0};
        return fail(base::ErrorCode::Unavailable, "the connection was closed");
      }
      size = static_cast<std::size_t>(got);
    } else {
      const ssize_t got = ::recv(socket, bytes, sizeof bytes, 0);
      if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        return std::size_t{0};
      }
      if (got <= 0) return fail(base::ErrorCode::Unavailable, "the connection was closed");
      size = static_cast<std::size_t>(got);
    }
    received.append(bytes, size);
    return size;
  }

  std::optional<std::string> take_line() {
    const std::size_t end = received.find('\n');
    if (end == std::string::npos) return std::nullopt;
    std::string line = received.substr(0, end);
    received.erase(0, end + 1);
    if (line.ends_with('\r')) line.pop_back();
    return line;
  }

  void close() {
    ssl.reset();
    context.reset();
    received.clear();
    if (socket >= 0) ::close(socket);
    socket = -1;
  }

  const base::Clock& clock;
  int event;
  int socket = -1;
  std::string name;  ///< "host:port", for messages.
  std::string received;
  std::unique_ptr<SSL_CTX, ContextFree> context;
  std::unique_ptr<SSL, SslFree> ssl;
};

LineSocket::LineSocket(const base::Clock& clock) : impl_(std::make_unique<Impl>(clock)) {}

LineSocket::~LineSocket() = default;

base::Result<void> LineSocket::connect(const HostPort& where, base::MonotonicTime deadline) {
  impl_->close();
  impl_->name = fmt::format("{}:{}", base::escape_control(where.host), where.port);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const std::string port = std::to_string(where.port);
  if (const int bad = getaddrinfo(where.host.c_str(), port.c_str(), &hints, &list); bad != 0) {
    return impl_->fail(base::ErrorCode::Unavailable, gai_strerror(bad));
  }
  const std::unique_ptr<addrinfo, AddressesFree> addresses(list);
  base::Result<void> result = impl_->fail(base::ErrorCode::Unavailable, "no address");
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    result = impl_->connect_one(*one, deadline);
    if (result) break;
  }
  return result;
}

base::Result<void> LineSocket::start_tls(const std::string& host, const TlsOptions& options,
                                         base::MonotonicTime deadline) {
  if (!connected()) return impl_->fail(base::ErrorCode::Unavailable, "not connected");
  auto context = make_context(options);
  if (!context) {
    close();
    return std::move(context).error();
  }
  impl_->context = std::move(*context);
  impl_->ssl.reset(SSL_new(impl_->context.get()));
  SSL* ssl = impl_->ssl.get();
  if (ssl == nullptr) return impl_->fail(base::ErrorCode::Unavailable, "no memory for TLS");
  SSL_set_fd(ssl, impl_->socket);
  if (!options.insecure) {
    X509_VERIFY_PARAM* verify = SSL_get0_param(ssl);
    const int named = is_address(host) ? X509_VERIFY_PARAM_set1_ip_asc(verify, host.c_str())
                                       : SSL_set1_host(ssl, host.c_str());
    if (named != 1) return impl_->fail(base::ErrorCode::InvalidArgument, "not a host name");
  }
  if (!is_address(host)) SSL_set_tlsext_host_name(ssl, host.c_str());
  auto done = impl_->tls_call([ssl] { return SSL_connect(ssl); }, deadline);
  if (done) return base::ok();
  const std::string& why = done.error().message;
  if (why.find("certificate") != std::string::npos) {
    return base::error(base::ErrorCode::PermissionDenied, why);
  }
  return std::move(done).error();
}

base::Result<void> LineSocket::write(std::string_view bytes, base::MonotonicTime deadline) {
  if (!connected()) return impl_->fail(base::ErrorCode::Unavailable, "not connected");
  while (!bytes.empty()) {
    if (impl_->ssl) {
      SSL* ssl = impl_->ssl.get();
      TC_TRY(const int sent,
             impl_->tls_call(
                 [&] { return SSL_write(ssl, bytes.data(), static_cast<int>(bytes.size())); },
                 deadline));
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    const ssize_t sent = ::send(impl_->socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
      return impl_->fail(base::ErrorCode::Unavailable, std::strerror(errno));
    } else if (impl_->wait(POLLOUT, deadline, false) != Impl::Waited::Ready) {
      return impl_->fail(base::ErrorCode::Timeout, "the other side does not read");
    }
  }
  return base::ok();
}

base::Result<std::optional<std::string>> LineSocket::read_line(base::MonotonicTime until) {
  if (!connected()) return impl_->fail(base::ErrorCode::Unavailable, "not connected");
  for (;;) {
    if (auto line = impl_->take_line()) return line;
    if (impl_->received.size() > kLineBytesMax) {
      return impl_->fail(base::ErrorCode::LimitExceeded, "a line is longer than 16 KiB");
    }
    TC_TRY(const std::size_t size, impl_->read_some());
    if (size > 0) continue;
    if (impl_->wait(POLLIN, until, true) != Impl::Waited::Ready)
      return std::optional<std::string>();
  }
}

bool LineSocket::connected() const {
  return impl_->socket >= 0;
}

void LineSocket::close() {
  impl_->close();
}

void LineSocket::wake() {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(impl_->event, &one, sizeof one));
}

}  // namespace tocsin::net
