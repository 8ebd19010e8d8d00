// HTTP in: Boost.Beast behind a plain interface, with limits on everything a peer can send.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/asio_executor.h"
#include "common/base/metrics.h"
#include "common/base/result.h"
#include "common/net/http_client.h"

namespace tocsin::net {

/// A request, complete with its body.
struct ServerRequest {
  std::string method;  ///< HEAD arrives as GET; its answer leaves without the body.
  std::string path;    ///< Decoded, without the query; always starts with '/'.
  std::multimap<std::string, std::string> query;  ///< Decoded; of the URL and of a form body.
  Headers headers;                                ///< Names in lower case.
  std::string body;
  std::string peer_address;  ///< "127.0.0.1"
  bool peer_is_loopback = false;
  bool tls = false;
  std::shared_ptr<void> pass;        ///< What Admit put here for the handler.
  std::shared_ptr<void> connection;  ///< The same, kept for all requests of the connection.
  /// Becomes true when the peer closes the connection (or its side of it) before the answer; null
  /// in tests. Seen within a quarter of a second.
  std::shared_ptr<const std::atomic<bool>> hung_up;

  std::string_view header(std::string_view name) const;
  /// Returns the first value of the parameter, or "".
  std::string_view parameter(const std::string& name) const;
};

struct ServerResponse {
  int status = 200;
  Headers headers;
  std::string content_type = "application/json";
  std::string body;
};

/// Answers the request; exactly one call, from any thread, now or later, also after the peer or the
/// server is gone (then it does nothing). A Respond destroyed without a call answers 500.
using Respond = std::function<void(ServerResponse)>;
using Handler = std::function<void(ServerRequest, Respond)>;

/// What is decided about a request before its body is read.
struct Admission {
  std::optional<ServerResponse> refusal;  ///< Answered in place of the handler; the last answer.
  base::Duration delay{0};                ///< Before the refusal is answered.
  std::size_t body_bytes_max = 0;         ///< Below the server's own; 0: that.
  /// Makes the answer if the body is larger than it may be, so that whoever admitted the request
  /// can count it. Null: the server's own 413. At most one call; must not block.
  std::function<ServerResponse(std::size_t body_bytes_max)> too_large;
};
/// Looks at a request that has no body yet; must not block. Thread: any.
using Admit = std::function<Admission(ServerRequest& head)>;

struct ServerOptions {
  std::string listen = "127.0.0.1:9464";  ///< "address:port"; port 0 takes a free one; "[::1]:80".
  std::string tls_cert_file;              ///< PEM chain; empty: plain HTTP.
  std::string tls_key_file;               ///< Refused when others may read it.
  std::size_t header_bytes_max = 16 << 10;
  std::size_t body_bytes_max = 16 << 20;
  std::size_t connections_max = 4096;
  /// Of one peer address and without a whole request yet; beyond, they are closed.
  std::size_t connections_new_per_peer_max = 1024;
  std::size_t bytes_in_flight_max = 256
                                    << 20;  ///< Bodies being read, all connections; beyond: 503.
  base::Duration header_timeout{5'000};
  base::Duration body_timeout{30'000};
  base::Duration idle_timeout{120'000};
  Admit admit;                       ///< Null: everything is read.
  base::Metrics* metrics = nullptr;  ///< Outlives the server; null: not counted.
};

/// A listening server. Runs on `io`'s threads; the handler is called there and must not block.
/// `io` outlives the server. Plain HTTP and TLS >= 1.2; HTTP/1.0 and 1.1, keep-alive, one request
/// of a connection at a time. A body of application/x-www-form-urlencoded is also parsed into the
/// query. Refusals that happen before the handler (431, 413, 408, 400, 503) are answered as
/// {"status":"error","errorType":...,"error":...} and counted.
class HttpServer {
 public:
  virtual ~HttpServer() = default;

  /// The port it listens on (useful when 0 was asked for).
  virtual unsigned short port() const = 0;
  /// Reads the certificate and key files again, for connections from now on; on an error the ones
  /// in use stay. Does nothing without TLS. Errors: as start(). Thread: any.
  virtual base::Result<void> reload_tls() = 0;
  /// Stops accepting, lets answers in progress finish for up to two seconds, closes. Idempotent.
  /// After it the handler is not called again. Not from one of `io`'s threads if that matters:
  /// there it cannot wait.
  virtual void stop() = 0;

  /// Errors: InvalidArgument (bad address, bad certificate or key), Io (port taken: says by which
  /// setting).
  static base::Result<std::unique_ptr<HttpServer>> start(base::AsioExecutor& io,
                                                         const ServerOptions& options,
                                                         Handler handler);
};

}  // namespace tocsin::net
