// Which rules of a group must wait for what earlier rules of it wrote.
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

}  // namespace tocsin::ruler
