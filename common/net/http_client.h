// HTTP out. Asynchronous; inside, one thread that runs all transfers of the client.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/executor.h"
#include "common/base/result.h"
#include "common/base/secret.h"

namespace tocsin::net {

using Headers = std::vector<std::pair<std::string, std::string>>;

/// How the peer is verified. Verification cannot be switched off silently: `insecure` is logged.
struct TlsOptions {
  std::string ca_file;           ///< PEM bundle; empty: the system's.
  std::string client_cert_file;  ///< PEM, for mutual TLS; empty: none.
  std::string client_key_file;
  bool insecure = false;  ///< Accept any certificate. Only on an explicit setting.
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;  ///< http:// or https://
  Headers headers;
  std::string body;
  base::Secret bearer_token;       ///< Sent as Authorization: Bearer; empty: none.
  base::Duration timeout{10'000};  ///< For the whole exchange, name resolution included.
  std::size_t response_bytes_max = 16 << 20;
  TlsOptions tls;
};

struct HttpResponse {
  int status = 0;
  Headers headers;  ///< Names in lower case.
  std::string body;

  /// Returns the first header of that (lower-case) name, or "".
  std::string_view header(std::string_view name) const;
};

using HttpDone = std::function<void(base::Result<HttpResponse>)>;

/// Thread: send() from any.
class HttpClient {
 public:
  virtual ~HttpClient() = default;

  /// Sends one request; `done` is posted to `reply_on`. Any status is a response, not an error.
  /// Redirects are not followed. Connections are kept alive.
  /// Errors in `done`: InvalidArgument (bad URL), Unavailable (cannot connect), Timeout (no answer:
  /// the server may have acted), LimitExceeded (response too large), Cancelled (client destroyed).
  /// Messages never show credentials.
  virtual void send(HttpRequest request, base::Executor& reply_on, HttpDone done) = 0;
};

/// `in_flight_max` bounds the requests in flight; further ones wait in a queue of at most
/// `queue_max` (beyond that: Unavailable).
std::unique_ptr<HttpClient> make_http_client(const base::Clock& clock, unsigned in_flight_max,
                                             std::size_t queue_max);

/// Returns how long the server asks to wait, from Retry-After in seconds or as a date; 0 if it does
/// not. Source: RFC 9110, 10.2.3.
base::Duration retry_after(const HttpResponse& response, base::WallTime now);

}  // namespace tocsin::net
