#include "alertd/bulletin/season.h"

#include <cmath>

namespace tocsin::bulletin {
namespace {

constexpr std::int64_t kStaleMs = 3'600'000;
constexpr std::int64_t kSeenMinMs = 6 * 3'600'000;
constexpr double kDayMs = 86'400'000;

struct Part {
  double grown = 0;
  std::int64_t ms = 0;

  std::optional<double> per_day() const {
    if (ms < kSeenMinMs) return std::nullopt;
    return grown / static_cast<double>(ms) * kDayMs;
  }
};

}  // namespace

SeasonGrowth growth_by_season(std::span<const model::Sample> samples,
                              std::span<const model::Sample> season) {
  Part in;
  Part out;
  SeasonGrowth growth;
  const model::Sample* before = nullptr;
  std::size_t at = 0;  // of the first season sample that is later
  for (const model::Sample& sample : samples) {
    if (!std::isfinite(sample.value)) continue;
    while (at < season.size() && season[at].timestamp_ms <= sample.timestamp_ms) ++at;
    growth.now = at > 0 && sample.timestamp_ms - season[at - 1].timestamp_ms <= kStaleMs &&
                 season[at - 1].value == 1;
    if (before != nullptr) {
      Part& part = growth.now ? in : out;
      part.grown += sample.value - before->value;
      part.ms += sample.timestamp_ms - before->timestamp_ms;
    }
    before = &sample;
  }
  growth.in_per_day = in.per_day();
  growth.out_per_day = out.per_day();
  growth.in = base::Duration{in.ms};
  growth.seen = base::Duration{in.ms + out.ms};
  return growth;
}

}  // namespace tocsin::bulletin
