// Numbers of a curve: its spread, and the straight line through it. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "common/base/time.h"
#include "common/model/sample.h"

namespace tocsin::bulletin {

struct Spread {
  double min = 0;
  double mean = 0;
  double p95 = 0;  ///< The smallest value that 95 % of the points do not exceed.
  double max = 0;
  double last = 0;
  std::size_t points = 0;
};

/// Points that are no number are left out; nullopt if none is left.
std::optional<Spread> spread_of(std::span<const model::Sample> samples);

/// value(t) = value_at_end + per_second * (t - end), by least squares.
struct Trend {
  double per_second = 0;
  double value_at_end = 0;
  base::WallTime end;
  base::Duration seen{0};  ///< From the first point to the last.

  double at(base::WallTime when) const;
  double per_day() const { return per_second * 86400; }
  /// Returns the time from `end` until the line meets `limit`; nullopt: never, or in over ten
  /// years. Zero if it is there.
  std::optional<base::Duration> until(double limit) const;
};

/// Needs three points over six hours: what is shorter says nothing of days. Points that are no
/// number are left out.
std::optional<Trend> trend_of(std::span<const model::Sample> samples);

}  // namespace tocsin::bulletin
