// The HTTP API of the daemon: the table of all routes, over the handlers of this folder.
#pragma once

#include <memory>

#include "alertd/api/admin_handlers.h"
#include "alertd/api/federate_handlers.h"
#include "alertd/api/incident_commands.h"
#include "alertd/api/incident_handlers.h"
#include "alertd/api/inventory_handlers.h"
#include "alertd/api/lookup_handlers.h"
#include "alertd/api/oncall_handlers.h"
#include "alertd/api/query_handlers.h"
#include "alertd/api/remote_read_handlers.h"
#include "alertd/api/router.h"
#include "alertd/api/rule_handlers.h"
#include "alertd/api/server_handlers.h"
#include "alertd/api/target_handlers.h"
#include "alertd/api/views.h"

namespace tocsin::api {

struct ApiOptions {
  base::Secret admin_token;  ///< Empty: only this host is served.
  base::Duration query_timeout{30'000};
  std::size_t queries_max = 100;               ///< Running and waiting.
  std::size_t response_bytes_max = 256 << 20;  ///< Of a query's answer, before compression.
  promql::EngineOptions engine;
  promql::ParseOptions parse;
  model::Labels external_labels;  ///< For what other systems fetch: /federate, remote read.
  std::string route_prefix;  ///< "/alertmanager": everything is served below it; empty: below "/".
  /// The routes that Alertmanager has are open to the network, as its own are.
  bool open_as_alertmanager = false;
};

/// What the API stands on; everything outlives it.
struct ApiParts {
  const base::Clock& clock;
  base::Metrics& metrics;
  base::Executor& workers;  ///< For queries; stopped before the API is destroyed.
  const model::SeriesSource& source;
  const RuleView& rules;
  IncidentView& incidents;
  IncidentCommands& commands;
  AgentDirectory& agents;
  Reloader& reloader;
  TestSender& test_sender;
  const StatusView& status;
  net::Handler write;  ///< POST /api/v1/write; authenticates by itself.
  net::Handler page;   ///< The web page: GET of everything that is no API route; may be empty.
  std::vector<Route> extra;      ///< Routes of other folders, checked by the same router.
  OnCallView* oncall = nullptr;  ///< Null: its routes are not there.
  const model::MetadataTable* metadata = nullptr;      ///< Types of metrics; may be null.
  std::function<void(const AuditedCall&)> audit = {};  ///< See Router::audit_with(); may be empty.
};

/// Usage: HttpServer::start(io, options, [&api](auto request, auto respond) {
///   api.handle(std::move(request), std::move(respond)); }).
/// Thread: handle() from any.
class Api {
 public:
  Api(ApiOptions options, ApiParts parts);
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  void handle(net::ServerRequest request, net::Respond respond) const {
    router_.handle(std::move(request), std::move(respond));
  }
  const std::vector<Route>& routes() const { return router_.routes(); }

 private:
  std::vector<Route> table(net::Handler write, std::vector<Route> extra, bool open);
  std::vector<Route> prometheus_routes();

  QueryRunner runner_;
  QueryHandlers queries_;
  LookUpHandlers look_ups_;
  FederateHandlers federation_;
  RemoteReadHandlers remote_read_;
  TargetHandlers targets_;
  ServerHandlers server_;
  InventoryHandlers inventory_;
  RuleHandlers rules_;
  IncidentHandlers incidents_;
  IncidentCommandHandlers incident_commands_;
  std::unique_ptr<OnCallHandlers> oncall_;
  AdminHandlers admin_;
  Router router_;
};

}  // namespace tocsin::api
