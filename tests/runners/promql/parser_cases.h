// parser-cases.tsv and parser.tsv: inputs that must or must not parse.
#pragma once

#include <string_view>

#include "tests/runners/promql/case_runner.h"

namespace tocsin::promql_runner {

/// Checks every line, `OK` or `FAIL`, a tab, and the input as a Go string; prints what differs. A
/// line that cannot be read is a failure, empty lines and those that begin with '#' are none. What
/// parses must also survive printing and parsing again.
Counts check_parser_cases(std::string_view file, std::string_view text, ExceptionLog& exceptions);

}  // namespace tocsin::promql_runner
