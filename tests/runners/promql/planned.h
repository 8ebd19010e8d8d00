// Rules are evaluated with a plan, everything else without: both must give the same, bit by bit.
#pragma once

#include <string>

#include "alertd/promql/engine.h"
#include "common/model/series_source.h"

namespace tocsin::promql_runner {

/// Returns "" if both are the same results (bits of values, order, labels, annotations) or the same
/// error; else what differs.
std::string difference(const base::Result<promql::QueryResult>& plain,
                       const base::Result<promql::QueryResult>& planned);

/// Evaluates with a plan a minute earlier, then twice at `at`, and compares with `plain`.
std::string check_planned(const promql::Engine& engine, const model::SeriesSource& source,
                          const promql::Expr& expr, base::WallTime at,
                          const base::Result<promql::QueryResult>& plain);

}  // namespace tocsin::promql_runner
