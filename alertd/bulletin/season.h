// Growth in a season and outside of it: enrolment fills disks faster than the holidays do. Pure.
#pragma once

#include <optional>
#include <span>

#include "common/base/time.h"
#include "common/model/sample.h"

namespace tocsin::bulletin {

struct SeasonGrowth {
  std::optional<double> in_per_day;   ///< nullopt: less than six hours of it were seen.
  std::optional<double> out_per_day;  ///< The same.
  base::Duration in{0};               ///< How long the season was on, of what was seen.
  base::Duration seen{0};
  bool now = false;  ///< It is on at the last sample.
};

/// Splits the growth of `samples` by `season`, whose value is 1 while the season is on; a moment
/// without a sample of the season within an hour before is outside of it. Both in order of time.
SeasonGrowth growth_by_season(std::span<const model::Sample> samples,
                              std::span<const model::Sample> season);

}  // namespace tocsin::bulletin
