// Where a result depends on a detail of Prometheus's own implementation: done exactly as there.
#pragma once

#include <string>

#include "alertd/promql/table.h"

namespace tocsin::promql {

/// Returns the number as count_values writes it: the shortest digits that read back, never with an
/// exponent: "1000000000000000000000", "0.00000001", "NaN", "+Inf".
std::string plain_number(double value);

/// Returns where limit_ratio sees the series in [0, 1]: the hash of its labels over 2^64, so that
/// the same series are chosen as by Prometheus with the same data.
/// Source: Prometheus promql/engine.go, RatioSampler; model/labels/labels_stringlabels.go, Hash.
double ratio_offset(const SeriesRef& series, bool delayed);

}  // namespace tocsin::promql
