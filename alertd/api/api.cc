#include "alertd/api/api.h"

#include <iterator>
#include <utility>

namespace tocsin::api {
namespace {

ExportOptions export_options(const ApiOptions& options) {
  return {options.engine.lookback, options.external_labels, options.engine.samples_max,
          options.response_bytes_max};
}

/// A route to a member function of handlers that outlive it.
template <class Handlers>
auto to(const Handlers& handlers, void (Handlers::*method)(ApiCall) const) {
  return [&handlers, method](ApiCall call) { (handlers.*method)(std::move(call)); };
}

}  // namespace

Api::Api(ApiOptions options, ApiParts parts)
    : runner_(parts.workers, parts.metrics, options.queries_max, options.query_timeout),
      queries_(parts.source, parts.clock, runner_, options.engine, options.parse,
               {options.response_bytes_max}),
      look_ups_(parts.source, parts.clock, runner_, options.parse),
      federation_(parts.source, parts.clock, runner_, options.parse, export_options(options)),
      remote_read_(parts.source, runner_, export_options(options)),
      targets_(parts.source, parts.agents, parts.clock, runner_, export_options(options)),
      server_(parts.status, parts.clock, runner_),
      inventory_(parts.source, parts.metadata, parts.clock, runner_),
      rules_(parts.rules, options.parse),
      incidents_(parts.incidents, parts.commands),
      incident_commands_(parts.commands),
      oncall_(parts.oncall ? std::make_unique<OnCallHandlers>(*parts.oncall, parts.clock)
                           : nullptr),
      admin_(AdminHandlers::Parts{parts.clock, parts.metrics, parts.agents, parts.reloader,
                                  parts.test_sender, parts.status}),
      router_(table(std::move(parts.write), std::move(parts.extra), options.open_as_alertmanager),
              std::move(options.admin_token), parts.metrics, std::move(parts.page)) {
  router_.serve_below(std::move(options.route_prefix));
  router_.audit_with(std::move(parts.audit));
}

/// What Prometheus has too; reading takes GET and, where it does there, POST with a form.
std::vector<Route> Api::prometheus_routes() {
  using Q = QueryHandlers;
  using L = LookUpHandlers;
  using V = InventoryHandlers;
  using R = RuleHandlers;
  using T = TargetHandlers;
  using S = ServerHandlers;
  constexpr Access kRead = Access::Read;
  std::vector<Route> routes{
      {"GET", "/api/v1/query", kRead, to(queries_, &Q::query)},
      {"GET", "/api/v1/query_range", kRead, to(queries_, &Q::query_range)},
      {"GET", "/api/v1/query_exemplars", kRead, to(queries_, &Q::query_exemplars)},
      {"GET", "/api/v1/format_query", kRead, to(queries_, &Q::format_query)},
      {"GET", "/api/v1/labels", kRead, to(look_ups_, &L::labels)},
      {"GET", "/api/v1/series", kRead, to(look_ups_, &L::series)},
  };
  for (std::size_t i = 0, both = routes.size(); i < both; ++i) {
    Route post = routes[i];
    post.method = "POST";
    routes.push_back(std::move(post));
  }
  const Route more[] = {
      {"GET", "/api/v1/label/<name>/values", kRead, to(look_ups_, &L::label_values)},
      {"GET", "/api/v1/metadata", kRead, to(inventory_, &V::metadata)},
      {"GET", "/api/v1/inventory", kRead, to(inventory_, &V::inventory)},
      {"GET", "/api/v1/rules", kRead, to(rules_, &R::rules)},
      {"GET", "/api/v1/alerts", kRead, to(rules_, &R::alerts)},
      {"GET", "/api/v1/targets", kRead, to(targets_, &T::targets)},
      {"GET", "/api/v1/scrape_pools", kRead, to(targets_, &T::scrape_pools)},
      {"GET", "/api/v1/alertmanagers", kRead, to(server_, &S::alertmanagers)},
      {"GET", "/api/v1/status/buildinfo", kRead, to(server_, &S::build_info)},
      {"GET", "/api/v1/status/runtimeinfo", kRead, to(server_, &S::runtime_info)},
      {"GET", "/api/v1/status/config", kRead, to(server_, &S::config)},
      {"GET", "/api/v1/status/flags", kRead, to(server_, &S::flags)},
      {"GET", "/federate", kRead, to(federation_, &FederateHandlers::federate)},
      {"POST", "/api/v1/read", kRead, to(remote_read_, &RemoteReadHandlers::read)},
  };
  routes.insert(routes.end(), std::begin(more), std::end(more));
  return routes;
}

std::vector<Route> Api::table(net::Handler write, std::vector<Route> extra, bool open) {
  const Access metrics = open ? Access::Open : Access::Read;
  const Access reload = open ? Access::Open : Access::Write;
  using I = IncidentHandlers;
  using A = AdminHandlers;
  std::vector<Route> routes = prometheus_routes();
  // clang-format off
  const Route own[] = {
      {"GET",    "/api/v1/incidents",              Access::Read,   to(incidents_, &I::list)},
      {"GET",    "/api/v1/incidents/<id>",         Access::Read,   to(incidents_, &I::find)},
      {"POST",   "/api/v1/incidents/<id>/ack",     Access::Write,  to(incidents_, &I::acknowledge)},
      {"POST",   "/api/v1/incidents/<id>/resolve", Access::Write,  to(incidents_, &I::resolve)},
      {"GET",    "/api/v1/agents",                 Access::Read,   to(admin_, &A::list_agents)},
      {"POST",   "/api/v1/agents",                 Access::Write,  to(admin_, &A::add_agent),
       "agent.enroll"},
      {"DELETE", "/api/v1/agents",                 Access::Write,  to(admin_, &A::remove_agent),
       "agent.remove"},
      {"DELETE", "/api/v1/agents/<name>",          Access::Write,  to(admin_, &A::remove_agent),
       "agent.remove"},
      {"GET",    "/api/v1/status",                 Access::Read,   to(admin_, &A::status)},
      {"POST",   "/api/v1/notify/test",            Access::Write,  to(admin_, &A::send_test),
       "notify.test"},
      {"GET",    "/metrics",                       metrics,        to(admin_, &A::metrics)},
      {"GET",    "/-/healthy",                     Access::Public, to(admin_, &A::healthy)},
      {"GET",    "/-/ready",                       Access::Public, to(admin_, &A::ready)},
      {"POST",   "/-/reload",                      reload,         to(admin_, &A::reload),
       "reload"},
      {"POST",   "/api/v1/write",                  Access::Ingest,
       [write = std::move(write)](ApiCall call) {
         write(std::move(call.request), std::move(call.respond));
       }},
  };
  // clang-format on
  routes.insert(routes.end(), std::begin(own), std::end(own));
  for (Route& route : incident_commands_.routes()) routes.push_back(std::move(route));
  if (oncall_) {
    for (Route& route : oncall_->routes()) routes.push_back(std::move(route));
  }
  routes.insert(routes.end(), std::make_move_iterator(extra.begin()),
                std::make_move_iterator(extra.end()));
  return routes;
}

}  // namespace tocsin::api
