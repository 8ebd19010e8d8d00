// Which rules of a group must wait for what earlier rules of it wrote, and which may run at once.
//
// Appending is asynchronous and waits for the disk; a rule that reads nothing of its own group need
// not wait for that. When in doubt (a template that queries, a selector without a name) the answer
// is "waits".
#pragma once

#include <vector>

#include "alertd/ruler/rule_model.h"

namespace tocsin::ruler {

/// Returns for each rule the indices of earlier rules whose series it may read.
std::vector<std::vector<std::size_t>> find_dependencies(const std::vector<Rule>& rules);

/// Returns the rules in waves, each in order of the file: rules of one wave may run at once, and
/// what a wave writes is there before the next one reads. The outcome is that of one rule after the
/// other: a rule reads what earlier rules wrote in this evaluation, and what later ones wrote in
/// the one before; of two rules that write the same metric the earlier one writes first.
std::vector<std::vector<std::size_t>> plan_waves(const std::vector<Rule>& rules);

}  // namespace tocsin::ruler
