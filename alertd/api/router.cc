#include "alertd/api/router.h"

#include <fmt/core.h>

#include <optional>
#include <utility>

#include "common/base/base64.h"
#include "common/base/hash.h"
#include "common/base/strings.h"
#include "common/net/http_text.h"
#include "common/net/url.h"

namespace tocsin::api {
namespace {

/// Returns the segments that stand for <...>, or nullopt if the path is another.
std::optional<std::vector<std::string>> match(std::string_view pattern, std::string_view path) {
  const auto wanted = base::split(pattern, '/');
  const auto given = base::split(path, '/');
  if (wanted.size() != given.size()) return std::nullopt;
  std::vector<std::string> variables;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].starts_with('<')) {
      if (given[i].empty()) return std::nullopt;
      variables.emplace_back(given[i]);
    } else if (wanted[i] != given[i]) {
      return std::nullopt;
    }
  }
  return variables;
}

/// Returns the token of `Authorization: Bearer`, or the password of `Basic` with any user name:
/// Prometheus and amtool know the one, old clients only the other.
std::string bearer_of(const net::ServerRequest& request) {
  const std::string_view value = request.header("authorization");
  const std::size_t space = value.find(' ');
  if (space == std::string_view::npos) return {};
  const std::string scheme = base::to_lower(value.substr(0, space));
  const std::string_view credential = base::trim(value.substr(space));
  if (scheme == "bearer") return std::string(credential);
  if (scheme != "basic") return {};
  const auto pair = base::base64_decode(credential);
  const std::size_t colon = pair ? pair->find(':') : std::string::npos;
  return colon == std::string::npos ? std::string() : pair->substr(colon + 1);
}

/// Equal in time that does not depend on either text, lengths included.
bool same_secret(std::string_view given, const base::Secret& secret) {
  return base::equals_constant_time(base::sha256_hex(given), base::sha256_hex(secret.reveal()));
}

}  // namespace

std::string_view to_string(Access access) {
  switch (access) {
    case Access::Public:
      return "public";
    case Access::Read:
      return "read";
    case Access::Write:
      return "write";
    case Access::Ingest:
      return "ingest";
    case Access::Open:
      return "open";
  }
  return "write";
}

bool is_local(const net::ServerRequest& request) {
  if (!request.peer_is_loopback) return false;
  for (const std::string_view name : {"forwarded", "x-forwarded-for", "x-real-ip", "via"}) {
    if (!request.header(name).empty()) return false;
  }
  const std::string_view host = request.header("host");
  return host.empty() || net::is_loopback_host(host);
}

bool is_cross_site(const net::ServerRequest& request) {
  const std::string_view site = request.header("sec-fetch-site");
  if (!site.empty() && site != "same-origin" && site != "none") return true;
  const std::string_view origin = request.header("origin");
  if (origin.empty()) return false;
  const std::size_t scheme = origin.find("://");
  return scheme == std::string_view::npos || origin.substr(scheme + 3) != request.header("host");
}

struct Router::Verdict {
  int status = 0;  ///< 0: allowed.
  std::string_view reason;
  std::string message;
  bool token = false;
};

Router::Router(std::vector<Route> routes, base::Secret admin_token, base::Metrics& metrics,
               net::Handler fallback)
    : routes_(std::move(routes)),
      admin_token_(std::move(admin_token)),
      metrics_(metrics),
      fallback_(std::move(fallback)) {}

Router::Verdict Router::check_access(const Route& route, const net::ServerRequest& request) const {
  if (route.access == Access::Public || route.access == Access::Ingest) return {};
  if (route.method != "GET" && is_cross_site(request)) {
    return {403, "cross_site", "requests that change something are not taken from other sites",
            false};
  }
  if (route.access == Access::Open) return {};
  const std::string bearer = bearer_of(request);
  if (!bearer.empty()) {
    if (!admin_token_.empty() && same_secret(bearer, admin_token_)) return {0, {}, {}, true};
    return {401, "bad_token", "the bearer token is not the admin token", false};
  }
  if (is_local(request)) return {};
  return {
      401, "no_token",
      "an admin token is required (Authorization: Bearer) unless the request comes directly from "
      "this host to a loopback address",
      false};
}

void Router::dispatch(const Route& route, ApiCall call) const {
  const Verdict verdict = check_access(route, call.request);
  base::Metrics& metrics = metrics_;
  call.respond = [&metrics, pattern = route.pattern,
                  respond = std::move(call.respond)](net::ServerResponse response) {
    metrics
        .counter("tocsin_alertd_api_requests_total", "API requests by route and status.",
                 {{"route", pattern}, {"code", std::to_string(response.status)}})
        .increment();
    bool cached = false;
    for (const auto& [name, value] : response.headers) {
      cached = cached || base::to_lower(name) == "cache-control";
    }
    if (!cached) response.headers.emplace_back("Cache-Control", "no-store");
    respond(std::move(response));
  };
  const std::string object = fmt::format("{} {}", call.request.method, call.request.path);
  if (verdict.status != 0) {
    if (told_) {
      told_({fmt::format("api {} refused", call.request.peer_address),
             fmt::format("api.{}", verdict.reason), object, verdict.status, true});
    }
    metrics_
        .counter("tocsin_alertd_api_refused_total", "API requests refused, by reason.",
                 {{"reason", std::string(verdict.reason)}})
        .increment();
    net::ServerResponse response = net::error_response(
        verdict.status, verdict.status == 401 ? "unauthorized" : "forbidden", verdict.message);
    if (verdict.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
    call.respond(std::move(response));
    return;
  }
  call.source =
      fmt::format("api {} {}", call.request.peer_address, verdict.token ? "token" : "local");
  if (told_ && !route.audited.empty()) {
    AuditedCall line{call.source, route.audited, object};
    call.respond = [this, line = std::move(line),
                    respond = std::move(call.respond)](net::ServerResponse response) mutable {
      line.status = response.status;
      told_(line);
      respond(std::move(response));
    };
  }
  route.handler(std::move(call));
}

void Router::handle(net::ServerRequest request, net::Respond respond) const {
  if (!prefix_.empty()) {
    if (request.path != prefix_ && !request.path.starts_with(prefix_ + "/")) {
      respond(net::error_response(404, "not_found",
                                  fmt::format("everything is served below '{}/'", prefix_)));
      return;
    }
    request.path.erase(0, prefix_.size());
    if (request.path.empty()) request.path = "/";
  }
  std::vector<std::string> methods;
  for (const Route& route : routes_) {
    auto variables = match(route.pattern, request.path);
    if (!variables) continue;
    if (route.method != request.method) {
      methods.push_back(route.method);
      continue;
    }
    dispatch(route, ApiCall{std::move(request), std::move(*variables), {}, std::move(respond)});
    return;
  }
  answer_unrouted(std::move(request), std::move(respond), methods);
}

void Router::answer_unrouted(net::ServerRequest request, net::Respond respond,
                             const std::vector<std::string>& methods) const {
  // Clients of Alertmanager's API read its generated layer's errors.
  const bool v2 = request.path.starts_with("/api/v2/");
  const auto shaped = [v2](int status, std::string_view type, const std::string& message) {
    auto response = net::error_response(status, type, message);
    if (v2) {
      response.body =
          fmt::format("{{\"code\":{},\"message\":{}}}\n", status, net::json_string(message));
    }
    return response;
  };
  if (!methods.empty()) {
    const std::string allowed = base::join(methods, ", ");
    auto response = shaped(405, "bad_data", fmt::format("'{}' takes {}", request.path, allowed));
    response.headers.emplace_back("Allow", allowed);
    respond(std::move(response));
    return;
  }
  const bool reserved = request.path.starts_with("/api/") || request.path.starts_with("/-/");
  if (fallback_ && request.method == "GET" && !reserved) {
    fallback_(std::move(request), std::move(respond));
    return;
  }
  metrics_
      .counter("tocsin_alertd_api_refused_total", "API requests refused, by reason.",
               {{"reason", "not_found"}})
      .increment();
  respond(shaped(404, "not_found", fmt::format("there is no '{}'", request.path)));
}

}  // namespace tocsin::api
