// Functions that evaluate their own arguments: everything that is not one value in, one value out.
#pragma once

#include "alertd/promql/evaluator.h"

namespace tocsin::promql {

// vector_functions.cc
base::Result<Table> absent(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> absent_over_time(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> clamp(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> clamp_max(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> clamp_min(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> round(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> scalar_of(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> vector_of(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> sort(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> sort_desc(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> min_of(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> max_of(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<void> check_quantile(Evaluator& evaluator, const Expr& arg,
                                  std::span<const double> values);
base::Result<void> check_smoothing(Evaluator& evaluator, const Expr& arg,
                                   std::span<const double> values);

// time_functions.cc
base::Result<Table> time(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> timestamp(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> query_start(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> query_end(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> query_step(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> query_range(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> pi(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> minute(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> hour(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> day_of_month(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> day_of_week(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> day_of_year(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> days_in_month(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> month(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> year(Evaluator& evaluator, const Expr& expr, const Grid& grid);

// label_functions.cc
base::Result<Table> label_replace(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> label_join(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> sort_by_label(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> sort_by_label_desc(Evaluator& evaluator, const Expr& expr, const Grid& grid);

// histogram_functions.cc
base::Result<Table> histogram_quantile(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> histogram_quantiles(Evaluator& evaluator, const Expr& expr, const Grid& grid);
base::Result<Table> histogram_fraction(Evaluator& evaluator, const Expr& expr, const Grid& grid);

// info_function.cc
base::Result<Table> info(Evaluator& evaluator, const Expr& expr, const Grid& grid);

/// Puts the rows of an instant query's table into `order`; a range query's result is ordered by
/// labels, so there a warning says that sorting has no effect.
base::Result<Table> in_order(Evaluator& evaluator, const Expr& expr, Table table,
                             const std::function<bool(std::size_t, std::size_t)>& before);

}  // namespace tocsin::promql
