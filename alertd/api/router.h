// From a request to its handler: one table of (method, path, access), checked in one place.
//
// Nothing is reachable that has no entry, and no entry is without a decision about who may use it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/metrics.h"
#include "common/base/secret.h"
#include "common/net/http_server.h"

namespace tocsin::api {

/// Who may use a route.
enum class Access {
  Public,  ///< Anybody: says nothing but that we live.
  Read,    ///< This host, or the admin token.
  Write,   ///< This host, or the admin token; changes something.
  Ingest,  ///< Checked by the handler itself, by the sender's own token.
  Open,    ///< Anybody who reaches the port, but no page of another site: Alertmanager's way.
};

/// Returns "public", "read", "write", "ingest" or "open".
std::string_view to_string(Access access);

/// A request whose route and right are settled.
struct ApiCall {
  net::ServerRequest request;
  std::vector<std::string> path;  ///< What stands for the <...> of the pattern, in order.
  std::string source;             ///< "api 192.0.2.7 token": for the audit trail.
  net::Respond respond;
};

struct Route {
  std::string method;   ///< "GET", "POST", ...
  std::string pattern;  ///< "/api/v1/label/<name>/values"; <...> is one non-empty segment.
  Access access = Access::Write;
  std::function<void(ApiCall)> handler;
  /// "agent.enroll": each call is a line of the audit trail. Empty: the handler's command says so
  /// itself, or it changes nothing.
  std::string audited = {};
};

/// What the audit trail is told of a call.
struct AuditedCall {
  std::string source;  ///< As ApiCall::source; of one that was refused "api 192.0.2.7 refused".
  std::string action;  ///< Route::audited; "api.bad_token", "api.no_token", "api.cross_site".
  std::string object;  ///< Method and path.
  int status = 0;
  bool refused = false;  ///< By us, before the handler saw it.
};

/// Whether a request comes from a program on this host that speaks to it directly. Not so when a
/// proxy forwarded it, nor when the Host header names something else than loopback (DNS rebinding:
/// a page in a browser of this host must not reach us under its own name).
bool is_local(const net::ServerRequest& request);

/// Whether a browser sent this on behalf of another site. Source: Fetch Metadata, RFC 6454.
bool is_cross_site(const net::ServerRequest& request);

/// Owner: the API; immutable after construction. Thread: handle() from any.
class Router {
 public:
  /// `fallback`, if set, gets GET requests outside /api/ and /-/ that no route takes: the web page.
  Router(std::vector<Route> routes, base::Secret admin_token, base::Metrics& metrics,
         net::Handler fallback);

  /// Everything is served below `prefix` ("/alertmanager"), and nothing beside it. Before the first
  /// request.
  void serve_below(std::string prefix) { prefix_ = std::move(prefix); }

  /// `told` hears of every call of an audited route when it is answered, and of refused ones.
  /// Before the first request.
  void audit_with(std::function<void(const AuditedCall&)> told) { told_ = std::move(told); }

  /// Finds the route, checks the right and calls its handler. Answers 404, 405, 401, 403 itself.
  void handle(net::ServerRequest request, net::Respond respond) const;

  const std::vector<Route>& routes() const { return routes_; }

 private:
  struct Verdict;
  Verdict check_access(const Route& route, const net::ServerRequest& request) const;
  void dispatch(const Route& route, ApiCall call) const;
  void answer_unrouted(net::ServerRequest request, net::Respond respond,
                       const std::vector<std::string>& methods) const;

  std::vector<Route> routes_;
  base::Secret admin_token_;
  base::Metrics& metrics_;
  net::Handler fallback_;
  std::string prefix_;
  std::function<void(const AuditedCall&)> told_;
};

}  // namespace tocsin::api
