#include "alertd/api/api.h"

#include <iterator>
#include <utility>

namespace tocsin::api {

Api::Api(ApiOptions options, ApiParts parts)
    : runner_(parts.workers, parts.metrics, options.queries_max, options.query_timeout),
      queries_(parts.source, parts.clock, runner_, options.engine, options.parse),
      inventory_(parts.source, parts.metadata, parts.clock, runner_),
      rules_(parts.rules),
      incidents_(parts.incidents, parts.commands),
      incident_commands_(parts.commands),
      oncall_(parts.oncall ? std::make_unique<OnCallHandlers>(*parts.oncall, parts.clock)
                           : nullptr),
      admin_(AdminHandlers::Parts{parts.clock, parts.metrics, parts.agents, parts.reloader,
                                  parts.test_sender, parts.status}),
      router_(table(std::move(parts.write), std::move(parts.extra), options.open_as_alertmanager),
              std::move(options.admin_token), parts.metrics, std::move(parts.page)) {
  router_.serve_below(std::move(options.route_prefix));
}

std::vector<Route> Api::table(net::Handler write, std::vector<Route> extra, bool open) {
  const Access metrics = open ? Access::Open : Access::Read;
  const Access reload = open ? Access::Open : Access::Write;
  const auto to = [](const auto& handlers, auto method) {
    return [&handlers, method](ApiCall call) { (handlers.*method)(std::move(call)); };
  };
  using Q = QueryHandlers;
  using V = InventoryHandlers;
  using R = RuleHandlers;
  using I = IncidentHandlers;
  using A = AdminHandlers;
  // clang-format off
  std::vector<Route> routes{
      {"GET",    "/api/v1/query",                  Access::Read,   to(queries_, &Q::query)},
      {"POST",   "/api/v1/query",                  Access::Read,   to(queries_, &Q::query)},
      {"GET",    "/api/v1/query_range",            Access::Read,   to(queries_, &Q::query_range)},
      {"POST",   "/api/v1/query_range",            Access::Read,   to(queries_, &Q::query_range)},
      {"GET",    "/api/v1/format_query",           Access::Read,   to(queries_, &Q::format_query)},
      {"POST",   "/api/v1/format_query",           Access::Read,   to(queries_, &Q::format_query)},
      {"GET",    "/api/v1/labels",                 Access::Read,   to(queries_, &Q::labels)},
      {"POST",   "/api/v1/labels",                 Access::Read,   to(queries_, &Q::labels)},
      {"GET",    "/api/v1/label/<name>/values",    Access::Read,   to(queries_, &Q::label_values)},
      {"GET",    "/api/v1/series",                 Access::Read,   to(queries_, &Q::series)},
      {"POST",   "/api/v1/series",                 Access::Read,   to(queries_, &Q::series)},
      {"GET",    "/api/v1/metadata",               Access::Read,   to(inventory_, &V::metadata)},
      {"GET",    "/api/v1/inventory",              Access::Read,   to(inventory_, &V::inventory)},
      {"GET",    "/api/v1/rules",                  Access::Read,   to(rules_, &R::rules)},
      {"GET",    "/api/v1/alerts",                 Access::Read,   to(rules_, &R::alerts)},
      {"GET",    "/api/v1/incidents",              Access::Read,   to(incidents_, &I::list)},
      {"GET",    "/api/v1/incidents/<id>",         Access::Read,   to(incidents_, &I::find)},
      {"POST",   "/api/v1/incidents/<id>/ack",     Access::Write,  to(incidents_, &I::acknowledge)},
      {"POST",   "/api/v1/incidents/<id>/resolve", Access::Write,  to(incidents_, &I::resolve)},
      {"GET",    "/api/v1/agents",                 Access::Read,   to(admin_, &A::list_agents)},
      {"POST",   "/api/v1/agents",                 Access::Write,  to(admin_, &A::add_agent)},
      {"DELETE", "/api/v1/agents",                 Access::Write,  to(admin_, &A::remove_agent)},
      {"DELETE", "/api/v1/agents/<name>",          Access::Write,  to(admin_, &A::remove_agent)},
      {"GET",    "/api/v1/status",                 Access::Read,   to(admin_, &A::status)},
      {"GET",    "/api/v1/status/buildinfo",       Access::Read,   to(admin_, &A::build_info)},
      {"POST",   "/api/v1/notify/test",            Access::Write,  to(admin_, &A::send_test)},
      {"GET",    "/metrics",                       metrics,        to(admin_, &A::metrics)},
      {"GET",    "/-/healthy",                     Access::Public, to(admin_, &A::healthy)},
      {"GET",    "/-/ready",                       Access::Public, to(admin_, &A::ready)},
      {"POST",   "/-/reload",                      reload,         to(admin_, &A::reload)},
      {"POST",   "/api/v1/write",                  Access::Ingest,
       [write = std::move(write)](ApiCall call) {
         write(std::move(call.request), std::move(call.respond));
       }},
  };
  // clang-format on
  for (Route& route : incident_commands_.routes()) routes.push_back(std::move(route));
  if (oncall_) {
    for (Route& route : oncall_->routes()) routes.push_back(std::move(route));
  }
  routes.insert(routes.end(), std::make_move_iterator(extra.begin()),
                std::make_move_iterator(extra.end()));
  return routes;
}

}  // namespace tocsin::api
