// The rules that a server evaluates now, as values, from its /api/v1/rules.
//
// alertd says everything about its own rules (levels, clear, no_data, query offset); of a
// Prometheus, what is missing there is what it does not have.
#pragma once

#include <string_view>
#include <vector>

#include "alertd/ruler/rule_model.h"
#include "common/base/result.h"

namespace tocsin::backtest {

/// Reads the data of an answer ({"groups":[...]}).
/// Errors: InvalidArgument (names the rule: an expression that this release does not understand),
/// Corruption (not what the API answers).
base::Result<std::vector<ruler::RuleGroup>> read_rules_in_force(std::string_view data,
                                                                const promql::ParseOptions& parse);

/// Gives the groups under test the slots of the groups of the same name and interval in force: the
/// file's path, which the slots also depend on, differs between a checkout and a server.
void take_slots_of(const std::vector<ruler::RuleGroup>& in_force,
                   std::vector<ruler::RuleGroup>& groups);

}  // namespace tocsin::backtest
