// An alerting rule explained: its expression, its levels, and how far its alerts are.
#pragma once

#include <string>
#include <vector>

#include "alertd/ruler/rule_model.h"
#include "cli/explain/explain.h"

namespace tocsin::explain {

/// One alert as the server's series ALERTS and ALERTS_FOR_STATE tell it.
struct AlertNow {
  model::Labels labels;  ///< Identity: without alertstate, and of a levelled one without severity.
  std::string state;     ///< "pending" or "firing"
  std::string severity;  ///< As it has it now; of a pending levelled alert the one it waits for.
  std::vector<std::string> progress;  ///< "medium: holds since ...; fires in 3m12s if it goes on"
};

/// One value against the levels of the rule.
struct LevelCheck {
  model::Labels labels;
  double value = 0;
  std::vector<std::string> lines;  ///< "high > 90 for 5m: 2.7 too low"
};

struct RuleExplanation {
  std::string name;
  std::string group;
  std::string source;   ///< file:line
  std::string summary;  ///< "firing (2 alerts)", "pending (1 alert)", "not firing"
  Explanation expression;
  std::vector<LevelCheck> levels;  ///< Of a levelled alert, for the elements shown.
  std::vector<AlertNow> alerts;
  std::vector<std::string> reasons;  ///< Most telling first.
};

/// `wanted` as for Explainer. Errors: Unavailable.
base::Result<RuleExplanation> explain_rule(backtest::QueryApi& api, const ruler::RuleGroup& group,
                                           const ruler::Rule& rule, base::WallTime at,
                                           const model::Labels& wanted);

}  // namespace tocsin::explain
