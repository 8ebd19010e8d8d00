// Reading series: instant selectors, range selectors and subqueries.
//
// The samples of a series are fetched once for the whole span of the query; the steps slide over
// them.
#include <fmt/core.h>

#include <algorithm>

#include "alertd/promql/evaluator.h"

namespace tocsin::promql {
namespace {

constexpr std::size_t kCancelEvery = 1024;  // series

// The newest sample in (ref - lookback, ref] of samples sorted by time; `next` only moves on.
double value_at(std::span<const model::Sample> samples, std::size_t& next, std::int64_t ref_ms,
                std::int64_t lookback_ms, bool timestamps) {
  while (next < samples.size() && samples[next].timestamp_ms <= ref_ms) ++next;
  if (next == 0) return absent_value();
  const model::Sample& sample = samples[next - 1];
  if (sample.timestamp_ms <= ref_ms - lookback_ms) return absent_value();
  if (!timestamps || model::is_stale(sample.value)) return sample.value;  // stale is absent
  return static_cast<double>(sample.timestamp_ms) / 1000.0;
}

}  // namespace

bool has_exact_name(std::span<const model::Matcher> matchers) {
  return std::ranges::any_of(matchers, [](const model::Matcher& matcher) {
    return matcher.name() == model::kMetricName && matcher.op() == model::MatchOp::Equal;
  });
}

base::Result<void> Evaluator::apply(const TimeShift& time, Shift& shift) const {
  if (time.offset) {
    TC_TRY(shift.offset_ms, duration_ms(*time.offset, false));
  }
  shift.fixed = time.at != At::None;
  if (time.at == At::Timestamp) shift.fixed_ms = time.at_ms;
  if (time.at == At::Start) shift.fixed_ms = query_.begin_ms;
  if (time.at == At::End) shift.fixed_ms = query_.end_ms;
  return base::ok();
}

base::Result<Evaluator::Shift> Evaluator::shift_of(const Expr& range_expr) {
  Shift shift;
  if (const auto* matrix = std::get_if<MatrixSelector>(&range_expr.node)) {
    if (matrix->selector.mode != SelectorMode::Plain) {
      return unsupported(range_expr.location, "'anchored' and 'smoothed' selectors are");
    }
    TC_TRY(apply(matrix->selector.shift, shift));
    TC_TRY(shift.range_ms, duration_ms(*matrix->range, true));
    return shift;
  }
  const auto& subquery = std::get<Subquery>(range_expr.node);
  TC_TRY(apply(subquery.shift, shift));
  TC_TRY(shift.range_ms, duration_ms(*subquery.range, true));
  return shift;
}

base::Result<const model::SeriesSet*> Evaluator::select(std::span<const model::Matcher> matchers,
                                                        std::int64_t begin_ms,
                                                        std::int64_t end_ms) {
  TC_TRY(auto set, source_.select(matchers, begin_ms, end_ms, {}));
  memory_->sets.push_back(std::move(set));
  return memory_->sets.back().get();
}

base::Result<Table> Evaluator::evaluate_selector(const VectorSelector& selector, const Grid& grid,
                                                 bool timestamps) {
  Shift shift;
  TC_TRY(apply(selector.shift, shift));
  TC_TRY(std::optional<Table> planned, planned_selector(selector, shift, grid, timestamps));
  if (planned) return std::move(*planned);
  return evaluate_matchers(selector.matchers, shift, grid, timestamps);
}

base::Result<Table> Evaluator::evaluate_matchers(std::span<const model::Matcher> matchers,
                                                 const Shift& shift, const Grid& grid,
                                                 bool timestamps) {
  const std::int64_t lookback_ms = options_.lookback.count();
  const std::int64_t begin_ms = shift.end_at(grid.begin_ms) - lookback_ms + 1;
  const std::int64_t end_ms = shift.end_at(grid.end_ms());
  TC_TRY(const model::SeriesSet* set, select(matchers, begin_ms, end_ms));
  Table table;
  table.steps = grid.count;
  table.distinct_without_name = has_exact_name(matchers);
  const std::size_t count = set->size();
  table.series.reserve(count);
  if (grid.count == 1) table.cells.reserve(count);
  std::vector<model::Sample> samples;
  for (std::size_t i = 0; i < count; ++i) {
    if (i % kCancelEvery == kCancelEvery - 1) TC_TRY(check_cancelled());
    samples.clear();
    TC_TRY(set->samples(i, begin_ms, end_ms, samples));
    if (samples.empty()) continue;
    std::size_t next = 0;
    if (grid.count == 1) {
      const double value = value_at(samples, next, end_ms, lookback_ms, timestamps);
      if (is_absent(value)) continue;
      table.series.push_back({&set->labels(i), NameState::Keep});
      table.cells.push_back(value);
      continue;
    }
    const std::span<double> row = table.add_row({&set->labels(i), NameState::Keep});
    bool any = false;
    for (std::size_t step = 0; step < grid.count; ++step) {
      row[step] = value_at(samples, next, shift.end_at(grid.at(step)), lookback_ms, timestamps);
      any = any || !is_absent(row[step]);
    }
    if (any) {
      TC_TRY(table.charge.grow(budget_, grid.count));
    } else {
      table.series.pop_back();
      table.cells.resize(table.cells.size() - grid.count);
    }
  }
  if (grid.count == 1) TC_TRY(charge(table));
  return table;
}

base::Result<void> Evaluator::for_each_range(
    const Expr& expr, const Grid& grid,
    const std::function<base::Result<void>(const RangeSeries&)>& visit) {
  TC_TRY(const Shift shift, shift_of(expr));
  if (const auto* subquery = std::get_if<Subquery>(&expr.node)) {
    return for_each_subquery(*subquery, shift, grid, visit);
  }
  const VectorSelector& selector = std::get<MatrixSelector>(expr.node).selector;
  const std::int64_t begin_ms = shift.end_at(grid.begin_ms) - shift.range_ms + 1;
  const std::int64_t end_ms = shift.end_at(grid.end_ms());
  TC_TRY(const model::SeriesSet* set, select(selector.matchers, begin_ms, end_ms));
  RangeSeries series;
  for (std::size_t i = 0; i < set->size(); ++i) {
    if (i % kCancelEvery == kCancelEvery - 1) TC_TRY(check_cancelled());
    series.samples.clear();
    TC_TRY(set->samples(i, begin_ms, end_ms, series.samples));
    std::erase_if(series.samples,
                  [](const model::Sample& sample) { return model::is_stale(sample.value); });
    if (series.samples.empty()) continue;
    Charge held;
    TC_TRY(held.grow(budget_, series.samples.size()));
    series.ref = {&set->labels(i), NameState::Keep};
    TC_TRY(visit(series));
  }
  return base::ok();
}

// The inner expression is evaluated once, at the multiples of the step that any window covers.
base::Result<void> Evaluator::for_each_subquery(
    const Subquery& subquery, const Shift& shift, const Grid& grid,
    const std::function<base::Result<void>(const RangeSeries&)>& visit) {
  std::int64_t step_ms = options_.subquery_step_default.count();
  if (subquery.step) {
    TC_TRY(step_ms, duration_ms(*subquery.step, true));
  }
  Grid inner;
  inner.step_ms = step_ms;
  const std::int64_t before_ms = shift.end_at(grid.begin_ms) - shift.range_ms;
  inner.begin_ms = before_ms / step_ms * step_ms;
  if (inner.begin_ms <= before_ms) inner.begin_ms += step_ms;
  const std::int64_t end_ms = shift.end_at(grid.end_ms());
  if (end_ms < inner.begin_ms) return base::ok();
  inner.count = static_cast<std::size_t>((end_ms - inner.begin_ms) / step_ms) + 1;
  if (inner.count > options_.samples_max) {
    return base::error(
        base::ErrorCode::LimitExceeded,
        fmt::format("subquery has {} steps, limit {} samples", inner.count, options_.samples_max));
  }
  TC_TRY(Table table, evaluate(*subquery.expr, inner));
  RangeSeries series;
  for (std::size_t i = 0; i < table.series.size(); ++i) {
    series.ref = table.series[i];
    series.samples.clear();
    const std::span<const double> row = table.row(i);
    for (std::size_t step = 0; step < row.size(); ++step) {
      if (!is_absent(row[step])) series.samples.push_back({inner.at(step), row[step]});
    }
    if (series.samples.empty()) continue;
    TC_TRY(visit(series));
  }
  return base::ok();
}

}  // namespace tocsin::promql
