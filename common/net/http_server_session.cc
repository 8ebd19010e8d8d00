// One connection of the HTTP server: the only file that compiles Beast (15 to 40 seconds).
//
// One coroutine a connection, on a strand of its own. Reading is a loop of ours around Beast's
// parser instead of Beast's composed operations, for three reasons: limits are checked before the
// next byte is read, a time-out can still be answered (a cancelled composed operation cannot be
// resumed), and the bytes that all connections hold together are counted as they arrive.
#include <fmt/core.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "common/base/log.h"
#include "common/base/strings.h"
#include "common/net/http_server_shared.h"
#include "common/net/url.h"

namespace tocsin::net::server {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr std::size_t kReadBytes = 64 << 10;
constexpr const char* kRetryAfter = "5";  // seconds
constexpr std::size_t kLingerBytesMax = 4 << 20;
/// After a refusal before the body: what is on its way anyway.
constexpr std::size_t kLingerBytesRefused = 256 << 10;
constexpr std::size_t kRefusedConnectionsMax = 64;
constexpr base::Duration kLinger{1'000};
constexpr std::size_t kSlowestBytesPerSecond = 64 << 10;
constexpr base::Duration kHungUpInterval{250};

// Has the peer closed its side, whatever it sent before and we have not read?
bool has_hung_up(int socket) {
  pollfd look{socket, POLLRDHUP, 0};
  return ::poll(&look, 1, 0) > 0 && (look.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

std::string peer_text(const tcp::endpoint& peer, bool& loopback) {
  asio::ip::address address = peer.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  loopback = address.is_loopback();
  return address.to_string();
}

template <class Stream>
class Session final : public SessionBase {
  static constexpr bool kTls = !std::is_same_v<Stream, tcp::socket>;

 public:
  template <class... Arguments>
  Session(std::shared_ptr<Shared> shared, std::shared_ptr<Gate> gate, const Strand& strand,
          Arguments&&... arguments)
      : shared_(std::move(shared)),
        gate_(std::move(gate)),
        strand_(strand),
        deadline_(strand),
        stream_(std::forward<Arguments>(arguments)...),
        buffer_(shared_->options.header_bytes_max + kReadBytes) {
    error_code ignored;
    peer_ = peer_text(socket().remote_endpoint(ignored), peer_is_loopback_);
    socket().set_option(tcp::no_delay(true), ignored);
  }
  ~Session() override { prove(); }

  /// Counts the connection among those of its peer that have not sent a request yet; false if there
  /// are too many of them.
  bool join() {
    counted_ = shared_->join(peer_);
    return counted_;
  }

  void drain() override {
    asio::post(strand_, [self = shared_from_this(), this] {
      if (!busy_) close();
    });
  }
  void abort() override {
    asio::post(strand_, [self = shared_from_this(), this] {
      close();
      if (slot_) slot_->answered.cancel();
    });
  }

  asio::awaitable<void> run() {
    if constexpr (kTls) {
      error_code error;
      arm(shared_->options.header_timeout, OnExpiry::Close);
      co_await stream_.async_handshake(asio::ssl::stream_base::server,
                                       asio::redirect_error(asio::use_awaitable, error));
      if (error) {
        shared_->count_refused(expired_ ? "timeout" : "tls_handshake");
        close();
        co_return;
      }
    }
    bool first = true;
    while (!shared_->stopping && socket().is_open()) {
      if (!co_await serve_one(first)) break;
      first = false;
    }
    co_await finish();
  }

  /// Tells a connection over the limit to come back later.
  asio::awaitable<void> run_refusal() {
    if constexpr (!kTls) {
      keep_alive_ = false;
      ServerResponse response =
          error_response(503, "unavailable",
                         fmt::format("more than {} connections", shared_->options.connections_max));
      response.headers.emplace_back("Retry-After", kRetryAfter);
      co_await write(response);
    }
    co_await finish();
  }

 private:
  void prove() {
    if (std::exchange(counted_, false)) shared_->leave(peer_);
  }

  enum class OnExpiry { Cancel, Close };
  enum class Fill { Bytes, Closed, Expired, Full };
  using Parser = http::request_parser<http::string_body>;

  tcp::socket& socket() {
    if constexpr (kTls) {
      return stream_.next_layer();
    } else {
      return stream_;
    }
  }

  void close() {
    disarm();
    error_code ignored;
    socket().close(ignored);
  }

  /// Starts the time limit of the operations that follow, in place of the one before.
  void arm(base::Duration limit, OnExpiry action) {
    expired_ = false;
    const std::uint64_t generation = ++generation_;
    deadline_.expires_after(limit);
    deadline_.async_wait([self = shared_from_this(), this, generation, action](error_code error) {
      if (error || generation != generation_) return;
      expired_ = true;
      error_code ignored;
      if (action == OnExpiry::Cancel) {
        socket().cancel(ignored);
      } else {
        socket().close(ignored);
      }
    });
  }
  void disarm() {
    ++generation_;
    deadline_.cancel();
  }

  /// Reads some bytes into the buffer.
  asio::awaitable<Fill> fill() {
    if (expired_) co_return Fill::Expired;
    const std::size_t room = std::min(kReadBytes, buffer_.max_size() - buffer_.size());
    if (room == 0) co_return Fill::Full;
    error_code error;
    const auto space = buffer_.prepare(room);
    const std::size_t length =
        co_await stream_.async_read_some(space, asio::redirect_error(asio::use_awaitable, error));
    buffer_.commit(length);
    if (error) co_return expired_ ? Fill::Expired : Fill::Closed;
    co_return Fill::Bytes;
  }

  /// Reads, handles and answers one request. Returns whether another may follow.
  asio::awaitable<bool> serve_one(bool first) {
    std::optional<Parser> parser(std::in_place);
    parser->header_limit(static_cast<std::uint32_t>(shared_->options.header_bytes_max));
    parser->body_limit(boost::none);  // once the request was admitted: bound_body()
    HeldBytes held(*shared_);
    std::optional<ServerResponse> refusal;
    head_ = false;
    keep_alive_ = false;
    busy_ = false;
    if (!co_await read_header(*parser, first, refusal)) co_return false;
    busy_ = true;
    if (!refusal) refusal = check_header(*parser);
    ServerRequest request;
    if (!refusal) refusal = take_head(*parser, request);
    if (!refusal) refusal = co_await admit(request);
    if (!refusal) refusal = bound_body(*parser);
    const auto length = refusal ? boost::optional<std::uint64_t>() : parser->content_length();
    if (length && !held.grow_to(static_cast<std::size_t>(*length))) refusal = refuse_in_flight();
    if (!refusal && !co_await read_body(*parser, held, refusal)) co_return false;
    too_large_ = nullptr;
    disarm();
    if (!refusal) refusal = take_body(*parser, request);
    parser.reset();
    if (refusal) {
      keep_alive_ = false;
      co_await write(*refusal);
      co_return false;
    }
    if (!socket().is_open()) co_return false;  // the server stopped meanwhile
    std::optional<ServerResponse> response = co_await handle(std::move(request));
    if (!response) co_return false;
    co_return co_await write(*response) && keep_alive_;
  }

  /// Returns false if the connection ended without a request.
  asio::awaitable<bool> read_header(Parser& parser, bool first,
                                    std::optional<ServerResponse>& refusal) {
    const ServerOptions& options = shared_->options;
    bool started = buffer_.size() > 0;
    arm(first || started ? options.header_timeout : options.idle_timeout, OnExpiry::Cancel);
    while (true) {
      if (buffer_.size() > 0) {
        if (!started && !first) arm(options.header_timeout, OnExpiry::Cancel);
        started = true;
        error_code error;
        const std::size_t used = parser.put(buffer_.data(), error);
        buffer_.consume(used);
        if (error && error != http::error::need_more) {
          refusal = refuse_parse(error);
          co_return true;
        }
        if (parser.is_header_done()) co_return true;
      }
      switch (co_await fill()) {
        case Fill::Bytes:
          break;
        case Fill::Closed:
          co_return false;
        case Fill::Full:
          refusal = refuse_parse(http::error::header_limit);
          co_return true;
        case Fill::Expired:
          if (!started) co_return false;
          refusal = refuse(408, "timeout",
                           fmt::format("the request header did not arrive within {}",
                                       base::format_duration(options.header_timeout)));
          co_return true;
      }
    }
  }

  std::optional<ServerResponse> check_header(const Parser& parser) {
    const auto& message = parser.get();
    head_ = message.method() == http::verb::head;
    if (message.version() != 10 && message.version() != 11) {
      return refuse(505, "bad_data", "only HTTP/1.0 and HTTP/1.1 are spoken here");
    }
    if (message.version() == 11 && message.count(http::field::host) != 1) {
      return refuse(400, "bad_data", "exactly one Host header is required");
    }
    // Anything but plain chunked could be read differently by a proxy in front: request smuggling.
    const auto encoding = message[http::field::transfer_encoding];
    if (!encoding.empty() &&
        base::to_lower(std::string_view(encoding.data(), encoding.size())) != "chunked") {
      return refuse(400, "bad_data", "transfer encodings other than 'chunked' are not accepted");
    }
    const auto expect = message[http::field::expect];
    if (!expect.empty() &&
        base::to_lower(std::string_view(expect.data(), expect.size())) != "100-continue") {
      return refuse(417, "bad_data", "unknown expectation");
    }
    return std::nullopt;
  }

  /// Asks whoever knows the senders; may wait before a refusal.
  asio::awaitable<std::optional<ServerResponse>> admit(ServerRequest& request) {
    body_bytes_max_ = shared_->options.body_bytes_max;
    too_large_ = nullptr;
    if (!shared_->options.admit) co_return std::nullopt;
    request.connection = connection_;
    Admission admission = shared_->options.admit(request);
    connection_ = request.connection;
    if (!admission.refusal) {
      if (admission.body_bytes_max > 0) {
        body_bytes_max_ = std::min(admission.body_bytes_max, body_bytes_max_);
      }
      too_large_ = std::move(admission.too_large);
      co_return std::nullopt;
    }
    disarm();
    shared_->count_refused("admission");
    if (admission.delay.count() > 0 && !shared_->stopping) {
      asio::steady_timer pause(strand_, admission.delay);
      error_code ignored;
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    linger_bytes_max_ = kLingerBytesRefused;
    co_return std::move(admission.refusal);
  }

  /// The parser looks at what comes in chunks; a length that was told is known to be too much now.
  std::optional<ServerResponse> bound_body(Parser& parser) {
    parser.body_limit(body_bytes_max_);
    const auto length = parser.content_length();
    if (length && *length > body_bytes_max_) return refuse_parse(http::error::body_limit);
    return std::nullopt;
  }

  /// Returns false if the connection ended.
  asio::awaitable<bool> read_body(Parser& parser, HeldBytes& held,
                                  std::optional<ServerResponse>& refusal) {
    if (parser.is_done()) co_return true;
    const auto& message = parser.get();
    arm(shared_->options.body_timeout, OnExpiry::Cancel);
    if (!message[http::field::expect].empty() && message.version() == 11 && buffer_.size() == 0) {
      constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      error_code error;
      co_await asio::async_write(stream_, asio::buffer(kContinue.data(), kContinue.size()),
                                 asio::redirect_error(asio::use_awaitable, error));
      if (error) co_return false;
    }
    parser.eager(true);
    while (!parser.is_done()) {
      bool more = true;
      if (buffer_.size() > 0) {
        error_code error;
        const std::size_t used = parser.put(buffer_.data(), error);
        buffer_.consume(used);
        if (error && error != http::error::need_more) {
          refusal = refuse_parse(error);
          co_return true;
        }
        if (!held.grow_to(message.body().size())) {
          refusal = refuse_in_flight();
          co_return true;
        }
        more = static_cast<bool>(error) || used == 0 || buffer_.size() == 0;
      }
      if (parser.is_done() || !more) continue;
      switch (co_await fill()) {
        case Fill::Bytes:
          break;
        case Fill::Closed:
          co_return false;
        case Fill::Full:
          refusal = refuse(400, "bad_data", "a chunk header or trailer is too long");
          co_return true;
        case Fill::Expired:
          refusal = refuse(408, "timeout",
                           fmt::format("the request body did not arrive within {}",
                                       base::format_duration(shared_->options.body_timeout)));
          co_return true;
      }
    }
    co_return true;
  }

  /// Copies the parsed header into `request`.
  std::optional<ServerResponse> take_head(const Parser& parser, ServerRequest& request) {
    const auto& message = parser.get();
    keep_alive_ = message.keep_alive();
    version_ = message.version();
    const auto method = message.method_string();
    request.method = head_ ? "GET" : std::string(method.data(), method.size());
    for (const auto& field : message) {
      const auto name = field.name_string();
      const auto value = field.value();
      request.headers.emplace_back(base::to_lower(std::string_view(name.data(), name.size())),
                                   std::string(value.data(), value.size()));
    }
    const auto target = message.target();
    auto parsed = parse_target(std::string_view(target.data(), target.size()));
    if (!parsed) return refuse(400, "bad_data", parsed.error().message);
    request.path = std::move(parsed->path);
    request.query = std::move(parsed->query);
    request.peer_address = peer_;
    request.peer_is_loopback = peer_is_loopback_;
    request.tls = kTls;
    return std::nullopt;
  }

  std::optional<ServerResponse> take_body(Parser& parser, ServerRequest& request) {
    request.body = std::move(parser.get().body());
    prove();
    if (is_form(request.header("content-type"))) {
      Query form;  // before the URL's: of a name in both the body's value is meant
      auto parsed_form = parse_form(request.body, form);
      if (!parsed_form) {
        return refuse(400, "bad_data", "form body: " + parsed_form.error().message);
      }
      form.merge(request.query);
      request.query = std::move(form);
    }
    return std::nullopt;
  }

  /// Calls the handler and waits for its answer; nullopt when the server stops first.
  asio::awaitable<std::optional<ServerResponse>> handle(ServerRequest request) {
    auto slot = std::make_shared<Slot>(strand_);
    slot_ = slot;
    const auto hung_up = std::make_shared<std::atomic<bool>>(false);
    request.hung_up = hung_up;
    auto answer = std::make_shared<Answer>(gate_, slot);
    Respond respond = [answer](ServerResponse response) { answer->give(std::move(response)); };
    answer.reset();
    try {
      shared_->handler(std::move(request), std::move(respond));
    } catch (const std::exception& exception) {
      base::log_error("net/http_server", "handler threw: {}", exception.what());
      slot->response = error_response(500, "internal", "internal error");
    }
    respond = nullptr;
    while (!slot->response && socket().is_open()) {
      error_code ignored;
      // Looking now and then needs no read in flight, which what the peer sends next would disturb.
      if (!*hung_up) slot->answered.expires_after(kHungUpInterval);
      co_await slot->answered.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      if (slot->response || *hung_up || !socket().is_open()) continue;
      *hung_up = has_hung_up(socket().native_handle());
      if (*hung_up) slot->answered.expires_at(asio::steady_timer::time_point::max());
    }
    slot_.reset();
    co_return std::move(slot->response);
  }

  asio::awaitable<bool> write(const ServerResponse& response) {
    keep_alive_ = keep_alive_ && !shared_->stopping;
    const std::string head = response_head(
        response,
        ResponseHeadOptions{keep_alive_, version_ == 10, shared_->executor.clock().wall()});
    const bool with_body = !head_ && response.status != 204 && response.status != 304;
    const std::size_t size = with_body ? response.body.size() : 0;
    arm(shared_->options.body_timeout + std::chrono::seconds(size / kSlowestBytesPerSecond),
        OnExpiry::Close);
    const std::array<asio::const_buffer, 2> buffers{asio::buffer(head),
                                                    asio::buffer(response.body.data(), size)};
    error_code error;
    co_await asio::async_write(stream_, buffers, asio::redirect_error(asio::use_awaitable, error));
    disarm();
    co_return !error;
  }

  /// Ends the connection so that the last answer arrives: closing with unread input would make the
  /// kernel reset it, and the peer would lose our 413.
  asio::awaitable<void> finish() {
    if (!socket().is_open()) co_return;
    error_code error;
    arm(kLinger, OnExpiry::Close);
    if constexpr (kTls) {
      co_await stream_.async_shutdown(asio::redirect_error(asio::use_awaitable, error));
    } else {
      socket().shutdown(tcp::socket::shutdown_send, error);
      std::array<char, 4096> waste;
      std::size_t total = 0;
      while (!error && total < linger_bytes_max_ && !shared_->stopping) {
        total += co_await socket().async_read_some(
            asio::buffer(waste), asio::redirect_error(asio::use_awaitable, error));
      }
    }
    close();
  }

  ServerResponse refuse(int status, std::string_view type, std::string message) {
    shared_->count_refused(refusal_reason(status));
    return error_response(status, type, std::move(message));
  }
  ServerResponse refuse_in_flight() {
    ServerResponse response = refuse(503, "unavailable",
                                     fmt::format("request bodies in flight exceed {} bytes",
                                                 shared_->options.bytes_in_flight_max));
    response.headers.emplace_back("Retry-After", kRetryAfter);
    return response;
  }
  ServerResponse refuse_parse(const error_code& error) {
    const ServerOptions& options = shared_->options;
    if (error == http::error::header_limit) {
      return refuse(431, "limit_exceeded",
                    fmt::format("request header larger than {} bytes", options.header_bytes_max));
    }
    if (error == http::error::body_limit || error == http::error::buffer_overflow) {
      ServerResponse response = refuse(
          413, "limit_exceeded", fmt::format("request body larger than {} bytes", body_bytes_max_));
      return too_large_ ? std::exchange(too_large_, nullptr)(body_bytes_max_) : response;
    }
    return refuse(400, "bad_data", "malformed HTTP: " + error.message());
  }

  const std::shared_ptr<Shared> shared_;
  const std::shared_ptr<Gate> gate_;
  const Strand strand_;
  asio::steady_timer deadline_;
  Stream stream_;
  beast::flat_buffer buffer_;
  std::shared_ptr<Slot> slot_;
  std::string peer_;
  std::shared_ptr<void> connection_;  // of Admit
  std::function<ServerResponse(std::size_t)> too_large_;
  std::size_t body_bytes_max_ = 0;  // of the request being read
  std::uint64_t generation_ = 0;
  std::size_t linger_bytes_max_ = kLingerBytesMax;
  unsigned version_ = 11;
  bool peer_is_loopback_ = false;
  bool expired_ = false;
  bool busy_ = false;
  bool head_ = false;
  bool keep_alive_ = false;
  bool counted_ = false;  // no whole request came yet
};

using PlainSession = Session<tcp::socket>;
using TlsSession = Session<asio::ssl::stream<tcp::socket>>;

template <class S>
void launch(const std::shared_ptr<Shared>& shared, const std::shared_ptr<S>& session,
            const Strand& strand, bool refused) {
  // The coroutine is a member function: the handler below keeps the session alive until it ends.
  asio::co_spawn(strand, refused ? session->run_refusal() : session->run(),
                 [shared, session, refused](const std::exception_ptr& failure) {
                   try {
                     if (failure) std::rethrow_exception(failure);
                   } catch (const std::exception& exception) {
                     shared->count_refused("internal");
                     base::log_error("net/http_server", "connection: {}", exception.what());
                   }
                   shared->count_connections(-1);
                   if (refused) --shared->refusing;
                   base::MutexLock lock(shared->mutex);
                   shared->sessions.erase(session);
                   shared->session_ended.notify_all();
                 });
}

}  // namespace

void start_session(const std::shared_ptr<Shared>& shared, const std::shared_ptr<Gate>& gate,
                   tcp::socket socket, const Strand& strand) {
  bool refused = false;
  bool joined = false;
  std::shared_ptr<SessionBase> base_session;
  std::shared_ptr<PlainSession> plain;
  std::shared_ptr<TlsSession> tls;
  std::shared_ptr<asio::ssl::context> context;
  {
    base::MutexLock lock(shared->mutex);
    context = shared->tls;
  }
  if (context) {
    tls = std::make_shared<TlsSession>(shared, gate, strand, std::move(socket), *context);
    joined = tls->join();
    base_session = tls;
  } else {
    plain = std::make_shared<PlainSession>(shared, gate, strand, std::move(socket));
    joined = plain->join();
    base_session = plain;
  }
  if (!joined) return shared->count_refused("connections_new");
  {
    base::MutexLock lock(shared->mutex);
    if (shared->stopping) return;
    refused = shared->sessions.size() - shared->refusing >= shared->options.connections_max;
    if (refused && (context || shared->refusing >= kRefusedConnectionsMax)) {
      base_session.reset();
    } else {
      if (refused) ++shared->refusing;
      shared->sessions.insert(base_session);
    }
  }
  if (refused) shared->count_refused("connections");
  if (!base_session) return;  // closed without a word
  shared->count_connections(1);
  if (tls) {
    launch(shared, tls, strand, refused);
  } else {
    launch(shared, plain, strand, refused);
  }
}

}  // namespace tocsin::net::server
