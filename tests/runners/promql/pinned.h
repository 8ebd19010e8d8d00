// Variants of a query that must not change its result.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "alertd/promql/engine.h"

namespace tocsin::promql_runner {

/// Returns the query with `@ at_ms` on every outermost selector and subquery that has no @
/// with a time yet (start() and end() are replaced). `query` must parse.
std::string pinned(std::string_view query, std::int64_t at_ms);

/// Returns whether the query calls a function whose value depends on the evaluation time itself.
bool calls_time_function(const promql::Expr& expr);

}  // namespace tocsin::promql_runner
