// parser-cases.tsv: inputs that must or must not parse.
#pragma once

#include <string_view>

namespace tocsin::promql_runner {

struct ParserCounts {
  int passed = 0;
  int total = 0;
};

/// Checks every line, `OK` or `FAIL`, a tab, and the input as a Go string; prints what differs.
ParserCounts check_parser_cases(std::string_view text);

}  // namespace tocsin::promql_runner
