// The notation of series in test files: `requests{host="a"} 0 60+60x3 _ stale`.
//
// One language for the engine's own tests, rule unit tests and backtests. Values are separated by
// spaces:
// `_` no sample, `_xN` N times none, `V`, `VxN` N+1 times V, `V+DxN` and `V-DxN` N+1 values by
// repeated addition, `stale` the marker that ends a series. A number may be a duration, meaning
// seconds. Source: Prometheus promqltest.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/model/labels.h"

namespace tocsin::promql {

/// At most this many values come out of one line.
inline constexpr std::size_t kNotationValuesMax = 10'000'000;

struct NotedSeries {
  model::Labels labels;
  std::vector<std::optional<double>> values;  ///< nullopt: no sample.
};

/// Parses the values alone.
/// Errors: InvalidArgument (names the item; native histograms are not supported yet),
/// LimitExceeded.
base::Result<std::vector<std::optional<double>>> parse_values(std::string_view text);

/// Parses identity and values. Errors: as parse_series() and parse_values().
base::Result<NotedSeries> parse_noted_series(std::string_view line);

}  // namespace tocsin::promql
