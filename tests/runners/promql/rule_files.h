// Expressions of published rule files: each must parse, and survive printing and parsing again.
#pragma once

#include <string_view>

#include "tests/runners/promql/case_runner.h"

namespace tocsin::promql_runner {

/// Checks every `expr` beside an `alert` or `record`, wherever in the YAML text it stands; prints
/// what differs. An exception is found by what is wrong, not by the expression.
Counts check_rule_file(std::string_view name, std::string_view text, ExceptionLog& exceptions);

}  // namespace tocsin::promql_runner
