#include "alertd/promql/quantile.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tocsin::promql {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
// Smaller differences between buckets come from floating point, not from the data.
constexpr double kSmallDelta = 1e-12;

bool nan_first(double a, double b) {
  if (std::isnan(a)) return !std::isnan(b);
  return a < b;
}

bool almost_equal(double a, double b, double epsilon) {
  if (a == b) return true;
  const double size = std::fabs(a) + std::fabs(b);
  const double difference = std::fabs(a - b);
  if (a == 0 || b == 0 || size < std::numeric_limits<double>::min()) {
    return difference < epsilon * std::numeric_limits<double>::min();
  }
  return difference / std::min(size, std::numeric_limits<double>::max()) < epsilon;
}

// Sorts and joins buckets with the same bound; false if the last one is not +Inf.
bool prepare(std::vector<Bucket>& buckets) {
  if (buckets.empty()) return false;
  std::ranges::stable_sort(buckets, {}, &Bucket::upper_bound);
  if (buckets.back().upper_bound != kInfinity) return false;
  std::size_t last = 0;
  for (std::size_t i = 1; i < buckets.size(); ++i) {
    if (buckets[i].upper_bound == buckets[last].upper_bound) {
      buckets[last].count += buckets[i].count;
    } else {
      buckets[++last] = buckets[i];
    }
  }
  buckets.resize(last + 1);
  return true;
}

void make_monotonic(std::vector<Bucket>& buckets, BucketRepair& repair) {
  double previous = buckets[0].count;
  for (std::size_t i = 1; i < buckets.size(); ++i) {
    double& count = buckets[i].count;
    if (count == previous) continue;
    if (almost_equal(previous, count, kSmallDelta)) {
      count = previous;
    } else if (count < previous) {
      count = previous;
      repair.forced_monotonic = true;
    } else {
      previous = count;
    }
  }
}

}  // namespace

double quantile(double q, std::vector<double>& values) {
  if (values.empty() || std::isnan(q)) return kNan;
  if (q < 0) return -kInfinity;
  if (q > 1) return kInfinity;
  std::ranges::sort(values, nan_first);
  const double rank = q * static_cast<double>(values.size() - 1);
  const auto lower = static_cast<std::size_t>(std::max(0.0, std::floor(rank)));
  const std::size_t upper = std::min(values.size() - 1, lower + 1);
  const double weight = rank - std::floor(rank);
  return values[lower] * (1 - weight) + values[upper] * weight;
}

double bucket_quantile(double q, std::vector<Bucket>& buckets, BucketRepair& repair) {
  if (std::isnan(q)) return kNan;
  if (q < 0) return -kInfinity;
  if (q > 1) return kInfinity;
  if (!prepare(buckets)) return kNan;
  make_monotonic(buckets, repair);
  if (buckets.size() < 2) return kNan;
  const double observations = buckets.back().count;
  if (observations == 0) return kNan;
  double rank = q * observations;
  const auto found = std::find_if(buckets.begin(), buckets.end() - 1,
                                  [&](const Bucket& bucket) { return bucket.count >= rank; });
  const auto b = static_cast<std::size_t>(found - buckets.begin());
  if (b == buckets.size() - 1) return buckets[b - 1].upper_bound;
  if (b == 0 && buckets[0].upper_bound <= 0) return buckets[0].upper_bound;
  double start = 0;
  double count = buckets[b].count;
  if (b > 0) {
    start = buckets[b - 1].upper_bound;
    count -= buckets[b - 1].count;
    rank -= buckets[b - 1].count;
  }
  return start + (buckets[b].upper_bound - start) * (rank / count);
}

double bucket_fraction(double lower, double upper, std::vector<Bucket>& buckets) {
  if (!prepare(buckets)) return kNan;
  const double count = buckets.back().count;
  if (count == 0 || std::isnan(count) || std::isnan(lower) || std::isnan(upper)) return kNan;
  if (lower >= upper) return 0;
  // How many observations are at or below `v`, as far as the buckets tell.
  const auto rank_of = [&](double v) {
    double rank = 0;
    for (std::size_t i = 0; i < buckets.size(); ++i) {
      const Bucket& bucket = buckets[i];
      double from = -kInfinity;
      if (i > 0) {
        from = buckets[i - 1].upper_bound;
      } else if (bucket.upper_bound > 0) {
        from = 0;
      }
      if (from >= v) return rank;
      if (bucket.upper_bound > v) {
        if (std::isinf(from)) return bucket.count;
        if (std::isinf(bucket.upper_bound)) return rank;
        return rank + (bucket.count - rank) * (v - from) / (bucket.upper_bound - from);
      }
      rank = bucket.count;
    }
    return count;
  };
  return (std::min(rank_of(upper), count) - std::min(rank_of(lower), count)) / count;
}

}  // namespace tocsin::promql
