// The notation of series in .test files: `name{label="value"} 1 2 3x4 5+1x3 _ stale`.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/model/labels.h"

namespace tocsin::ruler {

struct NotedSeries {
  model::Labels labels;
  std::vector<std::optional<double>> values;  ///< nullopt: no sample at that step.
};

/// Parses `name{a="b"}`, or `{a="b"}`; every matcher must be `=`.
/// Errors: InvalidArgument.
base::Result<model::Labels> parse_labels(std::string_view text);

/// Returns where the labels at the beginning of `text` end, or npos.
std::size_t end_of_labels(std::string_view text);

/// Parses one line of a load block. Errors: InvalidArgument, LimitExceeded (a million values).
base::Result<NotedSeries> parse_series(std::string_view line);

}  // namespace tocsin::ruler
