// Which values an expression can have: an interval, followed upwards from functions whose range is
// known (count() is at least 1, absent() is 1, up is 0 or 1) through arithmetic and comparisons.
#pragma once

#include <limits>
#include <string>

#include "alertd/promql/ast.h"

namespace tocsin::lint {

/// An interval of values. NaN is not described; `nan` says that it may occur.
struct ValueRange {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false;   ///< `low` itself does not occur.
  bool high_open = false;  ///< `high` itself does not occur.
  bool nan = false;

  static ValueRange point(double value) { return {.low = value, .high = value}; }
  static ValueRange from(double low) { return {.low = low}; }
  static ValueRange between(double low, double high) { return {.low = low, .high = high}; }
};

/// Returns the values that `expr` can have; everything if nothing is known.
ValueRange value_range(const promql::Expr& expr);

enum class Truth { Depends, Always, Never };

/// Returns whether `left op right` is settled by the intervals; `op` is a comparison. "Always" only
/// if neither side can be NaN.
Truth compare(const ValueRange& left, promql::BinaryOp op, const ValueRange& right);

/// Returns whether the expression returns series only under a condition on their values: it
/// contains a filtering comparison, `and`, `unless` or absent() on the way to its result.
bool is_conditional(const promql::Expr& expr);

/// Returns "at least 1", "between 0 and 1", "always 1".
std::string describe(const ValueRange& range);

}  // namespace tocsin::lint
