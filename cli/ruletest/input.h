// What a test feeds in: series with samples at times since its start.
//
// Two notations, one line a series:
//   up{job="a"} 1 1 0x5 _ stale         the values at 0, step, 2 step, ... (series_notation.h)
//   load1{host="a"}: 1 for 5m, 9 for 20m, gap for 5m, +0.5/m for 10m, 3 to 0 in 5m, stale
// The second one is in real time: each part covers [its beginning, its end) with a sample every
// step; a part without an end lasts until the test's.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/model/labels.h"
#include "common/model/sample.h"

namespace tocsin::ruletest {

/// All the samples of one test.
inline constexpr std::size_t kInputSamplesMax = 20'000'000;

struct InputSeries {
  model::Labels labels;
  std::vector<model::Sample> samples;  ///< Times in milliseconds since the start, increasing.
  base::Duration end{0};               ///< Up to where the line says anything.
};

/// How the lines of one block are meant.
struct InputGrid {
  base::Duration step{15'000};
  base::Duration from{0};   ///< Time of the first value.
  base::Duration until{0};  ///< Of the test: how far open parts go.
};

/// Returns whether the line is of the second notation and has a part without an end.
bool is_open(std::string_view line);

/// Reads one line of either notation. Errors: InvalidArgument, LimitExceeded.
base::Result<InputSeries> parse_input(std::string_view line, const InputGrid& grid);

/// One sample on its way in.
struct FeedSample {
  std::int64_t at_ms = 0;  ///< Since the start.
  std::uint32_t series = 0;
  double value = 0;
};

/// Returns all samples in order of time, then of series.
std::vector<FeedSample> make_feed(std::span<const InputSeries> series);

}  // namespace tocsin::ruletest
