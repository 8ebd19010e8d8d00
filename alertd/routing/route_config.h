// Reads `[route]` and the routing part of `[incident]` of alertd.toml.
//
//   [route]
//   receiver = "chat"
//   group_by = ["alertname", "host"]
//   [[route.routes]]
//   name = "pages"
//   matchers = ['severity="critical"']
//   receiver = "oncall"
//   repeat_interval = "1h"
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "alertd/routing/routing.h"
#include "common/config/table.h"

namespace tocsin::routing {

/// Reads the route tree; every mistake goes to the context's diagnostics.
///
/// `root` is the whole file. `receivers` are the configured names; a route to another one is an
/// error (nullopt: not checked). Reads what hides alerts too (suppression_config.h). group_by
/// defaults to ["alertname"]; nesting is limited to 16. Also
/// reads `resolve_hold` of `incident` (default 0s: said at once when all is resolved), which it
/// does not finish(): the incident settings are read from the same table.
Routing read_routing(config::Table& root, config::Table& incident,
                     const std::optional<std::vector<std::string>>& receivers);

/// Names routes that have none by their path of matchers, makes names unique, and hands inherited
/// settings down. For trees made by code.
void complete_routes(Route& root);

}  // namespace tocsin::routing
