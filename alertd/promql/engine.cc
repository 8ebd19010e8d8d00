// The engine's two entrances: build an evaluator, run it, turn its table into a result.
#include "alertd/promql/engine.h"

#include <fmt/core.h>

#include <algorithm>

#include "alertd/promql/evaluator.h"
#include "alertd/promql/plan.h"

namespace tocsin::promql {
namespace {

// What leaves the engine has no dropped names, and no two series alike.
base::Result<void> settle_names(Table& table) {
  const bool dropped = std::ranges::any_of(
      table.series, [](const SeriesRef& series) { return series.name == NameState::Drop; });
  if (!dropped || table.distinct_without_name) return base::ok();
  return merge_equal_series(table, false, true);
}

Vector to_vector(const Table& table, std::int64_t at_ms) {
  Vector vector;
  vector.reserve(table.series.size());
  for (std::size_t i = 0; i < table.series.size(); ++i) {
    if (is_absent(table.cells[i])) continue;
    vector.push_back({output_labels(table.series[i]), {at_ms, table.cells[i]}});
  }
  return vector;
}

Matrix to_matrix(const Table& table, const Grid& grid) {
  Matrix matrix;
  for (std::size_t i = 0; i < table.series.size(); ++i) {
    MatrixSeries series;
    const std::span<const double> row = table.row(i);
    for (std::size_t step = 0; step < row.size(); ++step) {
      if (!is_absent(row[step])) series.samples.push_back({grid.at(step), row[step]});
    }
    if (series.samples.empty()) continue;
    series.labels = output_labels(table.series[i]);
    matrix.push_back(std::move(series));
  }
  std::ranges::sort(matrix, {}, &MatrixSeries::labels);
  return matrix;
}

// A range vector asked for as it is: the samples of its one window.
base::Result<Matrix> range_vector(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  TC_TRY(const Evaluator::Shift shift, evaluator.shift_of(expr));
  const std::int64_t end_ms = shift.end_at(grid.begin_ms);
  Matrix matrix;
  const auto visit = [&](const RangeSeries& series) -> base::Result<void> {
    MatrixSeries out;
    for (const model::Sample& sample : series.samples) {
      const bool inside =
          sample.timestamp_ms > end_ms - shift.range_ms && sample.timestamp_ms <= end_ms;
      if (inside) out.samples.push_back(sample);
    }
    if (out.samples.empty()) return base::ok();
    TC_TRY(evaluator.budget().add(out.samples.size()));
    out.labels = output_labels(series.ref);
    matrix.push_back(std::move(out));
    return base::ok();
  };
  TC_TRY(evaluator.for_each_range(expr, grid, visit));
  std::ranges::sort(matrix, {}, &MatrixSeries::labels);
  return matrix;
}

}  // namespace

base::Result<QueryResult> Engine::instant(const model::SeriesSource& source, const Expr& expr,
                                          base::WallTime at,
                                          const std::function<bool()>& cancelled) const {
  const std::int64_t at_ms = base::to_ms(at);
  Evaluator evaluator(source, options_, {at_ms, at_ms, 0}, cancelled);
  return evaluate_instant(evaluator, expr, at_ms);
}

base::Result<QueryResult> Engine::instant(Plan& plan, const Expr& expr, base::WallTime at,
                                          const std::function<bool()>& cancelled) const {
  const std::int64_t at_ms = base::to_ms(at);
  Evaluator evaluator(plan.source(), options_, {at_ms, at_ms, 0}, cancelled, &plan);
  return evaluate_instant(evaluator, expr, at_ms);
}

base::Result<QueryResult> Engine::evaluate_instant(Evaluator& evaluator, const Expr& expr,
                                                   std::int64_t at_ms) const {
  const Grid grid{at_ms, 1, 1};
  QueryResult result;
  if (expr.type == ValueType::String) {
    result.value = String{at_ms, Evaluator::text(expr)};
    return result;
  }
  if (expr.type == ValueType::RangeVector) {
    TC_TRY(result.value, range_vector(evaluator, without_parens(expr), grid));
    evaluator.annotations().move_to(result);
    return result;
  }
  TC_TRY(Table table, evaluator.evaluate(expr, grid));
  if (expr.type == ValueType::Scalar) {
    result.value = Scalar{{at_ms, table.cells[0]}};
  } else {
    TC_TRY(settle_names(table));
    result.value = to_vector(table, at_ms);
  }
  evaluator.annotations().move_to(result);
  return result;
}

base::Result<QueryResult> Engine::range(const model::SeriesSource& source, const Expr& expr,
                                        base::WallTime begin, base::WallTime end,
                                        base::Duration step,
                                        const std::function<bool()>& cancelled) const {
  if (expr.type != ValueType::Scalar && expr.type != ValueType::InstantVector) {
    return base::error(base::ErrorCode::InvalidArgument,
                       fmt::format("a range query needs a scalar or an instant vector, got a {}",
                                   to_string(expr.type)));
  }
  if (step.count() <= 0) {
    return base::error(base::ErrorCode::InvalidArgument, "step must be greater than 0");
  }
  if (end < begin) {
    return base::error(base::ErrorCode::InvalidArgument, "end must not be before begin");
  }
  const auto count = static_cast<std::size_t>((end - begin) / step) + 1;
  if (count > options_.points_max + 1) {  // as Prometheus counts: the steps after the first
    return base::error(base::ErrorCode::LimitExceeded,
                       fmt::format("query has {} steps, limit {}: choose a longer step", count - 1,
                                   options_.points_max));
  }
  const Grid grid{base::to_ms(begin), step.count(), count};
  Evaluator evaluator(source, options_, {base::to_ms(begin), base::to_ms(end), step.count()},
                      cancelled);
  TC_TRY(Table table, evaluator.evaluate(expr, grid));
  TC_TRY(settle_names(table));
  QueryResult result;
  result.value = to_matrix(table, grid);
  evaluator.annotations().move_to(result);
  return result;
}

}  // namespace tocsin::promql
