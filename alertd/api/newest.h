// The newest sample of each series, as an instant vector selector has it. Internal to alertd/api.
#pragma once

#include <span>
#include <vector>

#include "alertd/api/query_runner.h"
#include "alertd/promql/engine.h"
#include "common/model/series_source.h"

namespace tocsin::api {

/// Returns the series that have a sample in (at_ms - lookback, at_ms] and did not end, with the
/// sample's own time, sorted by labels.
/// Errors: LimitExceeded, Corruption, Cancelled.
base::Result<promql::Vector> newest_samples(const model::SeriesSource& source,
                                            std::span<const model::Matcher> matchers,
                                            std::int64_t at_ms, base::Duration lookback,
                                            const QueryRunner::Cancelled& cancelled);

}  // namespace tocsin::api
