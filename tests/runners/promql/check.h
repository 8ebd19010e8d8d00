// Compares what the engine returned with what a test file expects.
#pragma once

#include <string>

#include "alertd/promql/engine.h"
#include "tests/runners/promql/test_file.h"

namespace tocsin::promql_runner {

/// Prometheus's tolerance: relative 1e-6; NaN equals NaN; 0 equals only 0.
bool almost_equal(double a, double b);

/// Returns "" if the outcome is as expected, else what differs.
std::string check(const Eval& eval, const base::Result<promql::QueryResult>& outcome);

/// Returns "" if the range query's result at `at_ms` is what the instant case expects. `instant` is
/// the instant query's result: what was a scalar is compared as one.
std::string check_middle(const Eval& eval, std::int64_t at_ms, const promql::QueryResult& instant,
                         const base::Result<promql::QueryResult>& range);

}  // namespace tocsin::promql_runner
