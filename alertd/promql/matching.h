// Vector matching: which series of one side meet which of the other. Private to binary operators.
#pragma once

#include "alertd/promql/evaluator.h"

namespace tocsin::promql {

/// Returns the operator's result, or absent if a comparison without `bool` does not hold; else
/// `kept`.
double apply_operator(const Binary& node, double left, double right, double kept);

/// `and`, `or`, `unless`.
base::Result<Table> match_sets(Evaluator& evaluator, const Binary& node, Table left, Table right);

/// Arithmetic and comparison between two vectors.
base::Result<Table> match_vectors(Evaluator& evaluator, const Expr& expr, Table left, Table right);

/// Returns the grouping that `on` or `ignoring` means.
Grouping grouping_of(const Matching& matching);

}  // namespace tocsin::promql
