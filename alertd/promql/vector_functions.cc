// absent, clamps, round, scalar and vector, sorting by value.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "alertd/promql/special_functions.h"
#include "common/base/strings.h"

namespace tocsin::promql {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

const Call& call_of(const Expr& expr) {
  return std::get<Call>(expr.node);
}

// The language's minimum and maximum: infinity wins over NaN, and NaN over every number.
double go_min(double a, double b) {
  if (a == -kInfinity || b == -kInfinity) return -kInfinity;
  if (std::isnan(a) || std::isnan(b)) return kNan;
  return std::min(a, b);
}
double go_max(double a, double b) {
  if (a == kInfinity || b == kInfinity) return kInfinity;
  if (std::isnan(a) || std::isnan(b)) return kNan;
  return std::max(a, b);
}

// Applies `function(value, step)` to every cell and drops the name.
template <class Function>
base::Result<Table> mapped(Evaluator& evaluator, Table table, Function function) {
  for (std::size_t i = 0; i < table.series.size(); ++i) {
    const std::span<double> row = table.row(i);
    for (std::size_t step = 0; step < row.size(); ++step) {
      if (!is_absent(row[step])) row[step] = function(row[step], step);
    }
  }
  TC_TRY(evaluator.drop_names(table));
  return table;
}

// The labels that absent() can know: those demanded by exactly one matcher, an equality.
model::Labels absent_labels(const Expr& arg) {
  const Expr& inside = without_parens(arg);
  const VectorSelector* selector = std::get_if<VectorSelector>(&inside.node);
  if (const auto* matrix = std::get_if<MatrixSelector>(&inside.node)) selector = &matrix->selector;
  if (selector == nullptr) return {};
  model::LabelsBuilder builder;
  std::vector<std::string_view> seen;
  for (const model::Matcher& matcher : selector->matchers) {
    if (matcher.name() == model::kMetricName) continue;
    if (matcher.op() == model::MatchOp::Equal && std::ranges::count(seen, matcher.name()) == 0) {
      builder.set(matcher.name(), matcher.value());
      seen.push_back(matcher.name());
    } else {
      builder.remove(matcher.name());
    }
  }
  return builder.build();
}

Table absent_table(Evaluator& evaluator, const Expr& arg,
                   const std::vector<std::uint8_t>& present) {
  Table table;
  table.steps = present.size();
  table.distinct_without_name = true;
  if (std::ranges::count(present, 0) == 0) return table;
  const std::span<double> row =
      table.add_row({evaluator.keep(absent_labels(arg)), NameState::Keep});
  for (std::size_t step = 0; step < row.size(); ++step) {
    if (present[step] == 0) row[step] = 1;
  }
  return table;
}

base::Result<Table> two_scalars(Evaluator& evaluator, const Expr& expr, const Grid& grid,
                                double (*function)(double, double)) {
  TC_TRY(const std::vector<double> left, evaluator.scalar(*call_of(expr).args[0], grid));
  TC_TRY(const std::vector<double> right, evaluator.scalar(*call_of(expr).args[1], grid));
  Table table = scalar_table(evaluator, grid.count, 0);
  for (std::size_t step = 0; step < grid.count; ++step) {
    table.cells[step] = function(left[step], right[step]);
  }
  return table;
}

base::Result<Table> clamp_one(Evaluator& evaluator, const Expr& expr, const Grid& grid,
                              double (*function)(double, double)) {
  TC_TRY(const std::vector<double> limit, evaluator.scalar(*call_of(expr).args[1], grid));
  TC_TRY(Table table, evaluator.evaluate(*call_of(expr).args[0], grid));
  return mapped(evaluator, std::move(table),
                [&](double value, std::size_t step) { return function(limit[step], value); });
}

// NaN always comes last.
bool value_before(double a, double b, bool descending) {
  if (std::isnan(a) || std::isnan(b)) return !std::isnan(a) && std::isnan(b);
  return descending ? a > b : a < b;
}

base::Result<Table> sort_by_value(Evaluator& evaluator, const Expr& expr, const Grid& grid,
                                  bool descending) {
  TC_TRY(Table table, evaluator.evaluate(*call_of(expr).args[0], grid));
  const std::vector<double> values = table.cells;
  return in_order(evaluator, expr, std::move(table), [&](std::size_t a, std::size_t b) {
    return value_before(values[a], values[b], descending);
  });
}

}  // namespace

base::Result<Table> in_order(Evaluator& evaluator, const Expr& expr, Table table,
                             const std::function<bool(std::size_t, std::size_t)>& before) {
  if (evaluator.query().step_ms != 0) {
    evaluator.annotations().warning(
        expr.location,
        "sort is ineffective for range queries since results are always ordered by labels");
    return table;
  }
  if (table.steps != 1) return table;  // inside a subquery order means nothing
  std::vector<std::size_t> order(table.series.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, before);
  Table out;
  out.distinct_without_name = table.distinct_without_name;
  for (const std::size_t i : order) {
    out.series.push_back(table.series[i]);
    out.cells.push_back(table.cells[i]);
  }
  out.charge = std::move(table.charge);
  return out;
}

base::Result<Table> absent(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  const Expr& arg = *call_of(expr).args[0];
  TC_TRY(const Table input, evaluator.evaluate(arg, grid));
  std::vector<std::uint8_t> present(grid.count, 0);
  for (std::size_t i = 0; i < input.cells.size(); ++i) {
    if (!is_absent(input.cells[i])) present[i % grid.count] = 1;
  }
  return absent_table(evaluator, arg, present);
}

base::Result<Table> absent_over_time(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  const Expr& arg = without_parens(*call_of(expr).args[0]);
  TC_TRY(const Evaluator::Shift shift, evaluator.shift_of(arg));
  std::vector<std::uint8_t> present(grid.count, 0);
  TC_TRY(evaluator.for_each_range(arg, grid, [&](const RangeSeries& series) -> base::Result<void> {
    std::size_t next = 0;
    for (std::size_t step = 0; step < grid.count; ++step) {
      const std::int64_t end_ms = shift.end_at(grid.at(step));
      while (next < series.samples.size() && series.samples[next].timestamp_ms <= end_ms) ++next;
      if (next > 0 && series.samples[next - 1].timestamp_ms > end_ms - shift.range_ms) {
        present[step] = 1;
      }
    }
    return base::ok();
  }));
  return absent_table(evaluator, arg, present);
}

base::Result<Table> clamp(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  TC_TRY(const std::vector<double> low, evaluator.scalar(*call_of(expr).args[1], grid));
  TC_TRY(const std::vector<double> high, evaluator.scalar(*call_of(expr).args[2], grid));
  TC_TRY(Table table, evaluator.evaluate(*call_of(expr).args[0], grid));
  return mapped(evaluator, std::move(table), [&](double value, std::size_t step) {
    if (high[step] < low[step]) return absent_value();
    return go_max(low[step], go_min(high[step], value));
  });
}

base::Result<Table> clamp_max(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  return clamp_one(evaluator, expr, grid, go_min);
}
base::Result<Table> clamp_min(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  return clamp_one(evaluator, expr, grid, go_max);
}

base::Result<Table> round(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  const Call& call = call_of(expr);
  std::vector<double> nearest(grid.count, 1.0);
  if (call.args.size() > 1) {
    TC_TRY(nearest, evaluator.scalar(*call.args[1], grid));
  }
  TC_TRY(Table table, evaluator.evaluate(*call.args[0], grid));
  return mapped(evaluator, std::move(table), [&](double value, std::size_t step) {
    const double inverse = 1.0 / nearest[step];  // multiplying by it rounds better than dividing
    return std::floor(value * inverse + 0.5) / inverse;
  });
}

base::Result<Table> scalar_of(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  TC_TRY(const Table input, evaluator.evaluate(*call_of(expr).args[0], grid));
  Table table = scalar_table(evaluator, grid.count, kNan);
  std::vector<std::uint32_t> counts(grid.count, 0);
  for (std::size_t i = 0; i < input.cells.size(); ++i) {
    if (is_absent(input.cells[i])) continue;
    const std::size_t step = i % grid.count;
    table.cells[step] = ++counts[step] == 1 ? input.cells[i] : kNan;
  }
  return table;
}

base::Result<Table> vector_of(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  return evaluator.evaluate(*call_of(expr).args[0], grid);
}

base::Result<Table> sort(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  return sort_by_value(evaluator, expr, grid, false);
}
base::Result<Table> sort_desc(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  return sort_by_value(evaluator, expr, grid, true);
}

base::Result<Table> min_of(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  return two_scalars(evaluator, expr, grid, go_min);
}
base::Result<Table> max_of(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  return two_scalars(evaluator, expr, grid, go_max);
}

base::Result<void> check_quantile(Evaluator& evaluator, const Expr& arg,
                                  std::span<const double> values) {
  for (const double q : values) {
    if (q >= 0 && q <= 1) continue;
    evaluator.annotations().warning(
        arg.location,
        fmt::format("quantile value should be between 0 and 1, got {}", base::format_double(q)));
  }
  return base::ok();
}

base::Result<void> check_smoothing(Evaluator&, const Expr& arg, std::span<const double> values) {
  for (const double factor : values) {
    if (factor > 0 && factor < 1) continue;
    return error_at(
        arg.location,
        fmt::format("invalid smoothing or trend factor: expected 0 < factor < 1, got {}",
                    base::format_double(factor)));
  }
  return base::ok();
}

}  // namespace tocsin::promql
