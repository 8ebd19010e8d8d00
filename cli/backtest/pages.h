// How many messages a backtest's firings would have been.
//
// With an alertd.toml, the daemon's own incident engine is stepped over the alerts in simulated
// time: grouping, waiting, repeating, escalating and reopening as it would have done, nobody
// acknowledging anything. Without one: one message for each firing and one for each end.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "alertd/incident/incident.h"
#include "alertd/routing/routing.h"
#include "cli/backtest/backtest.h"

namespace tocsin::backtest {

struct Pages {
  std::size_t total = 0;
  std::size_t incidents = 0;                      ///< Opened in the period; 0 without routing.
  std::map<std::string, std::size_t> by_rule;     ///< A message about two rules counts for both.
  std::map<std::string, std::size_t> by_channel;  ///< "receiver/channel".
  std::map<std::string, std::size_t> by_kind;     ///< "firing", "update", "resolved", ...
  std::map<model::Severity, std::size_t> by_severity;  ///< Of the incident at that moment.
};

/// Counts what falls into [from, to].
Pages count_simple(const SetResult& result, base::WallTime from, base::WallTime to);
Pages count_routed(const SetResult& result, base::WallTime from, base::WallTime to,
                   const routing::Routing& routing, const incident::IncidentSettings& settings);

}  // namespace tocsin::backtest
