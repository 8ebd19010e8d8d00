// Quantiles of plain values and of classic histograms' buckets.
#pragma once

#include <vector>

namespace tocsin::promql {

/// Returns the q-quantile, interpolated; NaN without values or with q NaN, -Inf below 0, +Inf
/// above 1. Sorts `values`; NaN counts as the smallest.
double quantile(double q, std::vector<double>& values);

struct Bucket {
  double upper_bound = 0;  ///< Inclusive.
  double count = 0;        ///< Cumulative.
};

/// What had to be mended before a quantile could be read.
struct BucketRepair {
  bool forced_monotonic = false;
};

/// Returns the q-quantile of a classic histogram; NaN without a +Inf bucket or observations.
/// Sorts and mends `buckets`. Source: Prometheus promql/quantile.go, BucketQuantile.
double bucket_quantile(double q, std::vector<Bucket>& buckets, BucketRepair& repair);

/// Returns the share of observations in (lower, upper]; NaN as above. Sorts `buckets`.
double bucket_fraction(double lower, double upper, std::vector<Bucket>& buckets);

}  // namespace tocsin::promql
