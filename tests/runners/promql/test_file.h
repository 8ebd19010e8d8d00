// Reads a *.test file: `load`, `clear` and `eval` blocks with what they expect. See README.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "alertd/promql/series_notation.h"
#include "common/base/result.h"
#include "common/base/time.h"

namespace tocsin::promql_runner {

/// One `expect warn|info|fail`, with the text that must appear, if given.
struct Pattern {
  enum class Kind { Any, Exact, Regex };
  Kind kind = Kind::Any;
  std::string text;
};

struct ExpectedSeries {
  promql::NotedSeries series;
  std::size_t line = 0;
};

struct Eval {
  std::size_t line = 0;
  std::string query;
  bool range = false;
  base::Duration begin{0};  ///< Of an instant query: its time.
  base::Duration end{0};
  base::Duration step{0};
  bool ordered = false;
  std::optional<Pattern> fail;
  std::vector<Pattern> warns;
  std::vector<Pattern> infos;
  bool no_warn = false;
  bool no_info = false;
  struct RangeVector {
    base::Duration begin{0};
    base::Duration end{0};
    base::Duration step{0};
  };
  std::optional<RangeVector> range_vector;
  std::optional<std::string> string;
  std::optional<double> scalar;
  std::vector<ExpectedSeries> series;
  std::string unsupported;  ///< Why the expectation cannot be read: native histograms.
};

struct Load {
  std::size_t line = 0;
  base::Duration step{0};
  std::vector<promql::NotedSeries> series;
  std::string unsupported;
};

struct Clear {};

using Command = std::variant<Load, Clear, Eval>;

/// Parses a whole file. Errors: InvalidArgument with "line N: ...".
base::Result<std::vector<Command>> parse_test_file(std::string_view text);

}  // namespace tocsin::promql_runner
