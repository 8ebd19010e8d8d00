// HTTP over libcurl, as one visitor gets it: each page with the times of its parts and what TLS
// said, cookies and connections kept from page to page, in memory only.
//
// A visitor begins with nothing: no name, no connection and no proxy of the environment is known.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/collectors/probe/probe_result.h"
#include "agent/collectors/probe/probe_settings.h"
#include "agent/collectors/probe/tls_facts.h"
#include "common/net/http_client.h"

namespace tocsin::agent {

/// Parts of a request, in the order in which they pass.
inline constexpr std::array kHttpPhases = {"resolve", "connect", "tls", "processing", "transfer"};

/// What came of one request, redirects included.
struct HttpExchange {
  net::HttpResponse answer;             ///< The last; status 0: none came.
  std::optional<ProbeFailure> failure;  ///< Why none came in full.
  TlsFacts tls;           ///< Of the last handshake; not seen where a connection was kept.
  bool over_tls = false;  ///< The last request was.
  std::string url;        ///< Where the last redirect led to.
  std::array<double, kHttpPhases.size()> phase_seconds{};
  double lookup_seconds = 0;
  int ip_protocol = 0;         ///< 4 or 6; 0: not connected.
  double version = 0;          ///< Of HTTP; 0: unknown.
  long redirects = 0;          ///< How many were followed.
  double content_length = -1;  ///< As the server says; -1: it does not.
};

/// Thread: one. Blocking calls.
class HttpVisitor {
 public:
  /// `route` outlives the visitor.
  explicit HttpVisitor(const ProbeRoute& route);
  ~HttpVisitor();
  HttpVisitor(const HttpVisitor&) = delete;
  HttpVisitor& operator=(const HttpVisitor&) = delete;

  /// Asks for one page. `timeout` bounds all of it, redirects too. Its expectations are not looked
  /// at. `referer` is sent if it is not empty.
  HttpExchange ask(const HttpProbeSettings& page, base::Duration timeout,
                   const std::string& referer = {});

  /// Returns the value of a cookie that was set so far and has not ended.
  std::optional<std::string> cookie(std::string_view name) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Fetches one file over http:// or https://, without cookies: `body` empty means GET, else POST as
/// `content_type`. Only status 200 is good. Errors: NotFound (404), Unavailable, InvalidArgument
/// (the URL).
base::Result<std::string> fetch_file(const std::string& url, const net::TlsOptions& tls,
                                     base::Duration timeout, std::size_t bytes_max,
                                     const std::string& accept = {}, const std::string& body = {},
                                     const std::string& content_type = {});

}  // namespace tocsin::agent
