// The state of a shared group's rules as a text, so that another daemon goes on with it: alerts on
// their way through `for`, firing, kept firing, their levels, and the label sets whose silence is
// watched.
//
// The text is compact where nothing changes: a label set that was there at the last look does not
// say when. Unknown fields are ignored and missing ones empty, so that texts of older and newer
// releases stay readable.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "alertd/ruler/rule_runner.h"

namespace tocsin::ruler {

using Runners = std::vector<std::unique_ptr<RuleRunner>>;

/// Returns names and labels of a rule as one key: what makes it the same rule elsewhere.
std::string rule_key(const Rule& rule);

/// Returns the state of all alerting rules, between two evaluations.
std::string save_state(const Runners& runners);

/// Gives each rule the state that it, or a rule with the same kind, name and labels, had. `gap` is
/// the time since the last evaluation: as far as it is longer than a minute nothing was seen in it,
/// and it does not count towards a `for`. `by` is added to every time, for a clock that differs.
/// Errors: Corruption (no rule is touched).
base::Result<void> load_state(std::string_view text, Runners& runners, base::Duration gap,
                              base::Duration by);

}  // namespace tocsin::ruler
