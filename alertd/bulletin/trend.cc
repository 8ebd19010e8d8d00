#include "alertd/bulletin/trend.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace tocsin::bulletin {
namespace {

constexpr base::Duration kSeenMin = std::chrono::hours(6);
constexpr base::Duration kHorizon = std::chrono::hours(24 * 3650);

}  // namespace

std::optional<Spread> spread_of(std::span<const model::Sample> samples) {
  std::vector<double> values;
  values.reserve(samples.size());
  double sum = 0;
  for (const model::Sample& sample : samples) {
    if (!std::isfinite(sample.value)) continue;
    values.push_back(sample.value);
    sum += sample.value;
  }
  if (values.empty()) return std::nullopt;
  Spread spread;
  spread.points = values.size();
  spread.last = values.back();
  spread.mean = sum / static_cast<double>(values.size());
  std::sort(values.begin(), values.end());
  spread.min = values.front();
  spread.max = values.back();
  const auto rank =
      static_cast<std::size_t>(std::ceil(0.95 * static_cast<double>(values.size()))) - 1;
  spread.p95 = values[rank];
  return spread;
}

double Trend::at(base::WallTime when) const {
  return value_at_end + per_second * (base::to_seconds(when) - base::to_seconds(end));
}

std::optional<base::Duration> Trend::until(double limit) const {
  const double missing = limit - value_at_end;
  if (missing == 0) return base::Duration{0};
  if (per_second == 0 || missing / per_second < 0) return std::nullopt;
  const double seconds = missing / per_second;
  if (seconds > std::chrono::duration<double>(kHorizon).count()) return std::nullopt;
  return std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(seconds));
}

std::optional<Trend> trend_of(std::span<const model::Sample> samples) {
  std::vector<model::Sample> points;
  for (const model::Sample& sample : samples) {
    if (std::isfinite(sample.value)) points.push_back(sample);
  }
  if (points.size() < 3) return std::nullopt;
  const std::int64_t end_ms = points.back().timestamp_ms;
  const base::Duration seen{end_ms - points.front().timestamp_ms};
  if (seen < kSeenMin) return std::nullopt;
  // Around the means, so that large values of a small slope keep their digits.
  double mean_t = 0;
  double mean_v = 0;
  for (const model::Sample& point : points) {
    mean_t += static_cast<double>(point.timestamp_ms - end_ms) / 1000;
    mean_v += point.value;
  }
  mean_t /= static_cast<double>(points.size());
  mean_v /= static_cast<double>(points.size());
  double above = 0;
  double below = 0;
  for (const model::Sample& point : points) {
    const double t = static_cast<double>(point.timestamp_ms - end_ms) / 1000 - mean_t;
    above += t * (point.value - mean_v);
    below += t * t;
  }
  Trend trend;
  trend.per_second = above / below;
  trend.value_at_end = mean_v - trend.per_second * mean_t;
  trend.end = base::wall_time(end_ms);
  trend.seen = seen;
  return trend;
}

}  // namespace tocsin::bulletin
