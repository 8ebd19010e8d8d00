// Functions of a range vector: one value for each series and step.
//
// The windows of a series are views into its samples, which are fetched once for all steps. With a
// plan an instant evaluation fetches nothing: the source shows each window where it decoded it.
#include <fmt/core.h>

#include <algorithm>

#include "alertd/promql/evaluator.h"

namespace tocsin::promql {
namespace {

constexpr std::size_t kCancelEvery = 1 << 20;  // samples seen by windows

bool is_counter_name(std::string_view name) {
  return name.ends_with("_total") || name.ends_with("_sum") || name.ends_with("_count") ||
         name.ends_with("_bucket");
}

}  // namespace

base::Result<Table> Evaluator::evaluate_range_call(const Expr& expr, const Grid& grid) {
  const auto& node = std::get<Call>(expr.node);
  RangeCall call;
  call.function = node.function;
  for (const ExprBox& arg : node.args) {
    if (arg->type == ValueType::RangeVector) {
      call.range_expr = &without_parens(*arg);
      continue;
    }
    TC_TRY(call.parameters.emplace_back(), scalar(*arg, grid));
    if (node.function->check == nullptr) continue;
    TC_TRY(node.function->check(*this, *arg, call.parameters.back()));
  }
  TC_TRY(call.shift, shift_of(*call.range_expr));
  const auto* matrix = std::get_if<MatrixSelector>(&call.range_expr->node);
  call.selector = matrix == nullptr ? nullptr : &matrix->selector;
  TC_TRY(std::optional<Table> planned, planned_range_call(call, grid));
  Table table;
  if (planned) {
    table = std::move(*planned);
  } else {
    TC_TRY(table, plain_range_call(call, grid));
  }
  table.distinct_without_name = false;
  if (node.function->keeps_name) return table;
  table.distinct_without_name = call.selector != nullptr && has_exact_name(call.selector->matchers);
  TC_TRY(drop_names(table));
  return table;
}

void Evaluator::check_counter(const RangeCall& call, const SeriesRef& series,
                              std::string_view& last_name) {
  const std::string_view name = visible_label(series, model::kMetricName, delayed());
  if (!name.empty() && name != last_name && !is_counter_name(name)) {
    annotations_.info(call.range_expr->location,
                      fmt::format("metric might not be a counter, name does not end in "
                                  "_total/_sum/_count/_bucket: {}",
                                  fmt::format("\"{}\"", name)));
  }
  last_name = name;
}

Window Evaluator::window_of(const RangeCall& call, const Grid& grid, std::size_t step) {
  Window window;
  window.scratch = &scratch_;
  window.at_ms = grid.at(step);
  window.end_ms = call.shift.end_at(window.at_ms);
  window.begin_ms = window.end_ms - call.shift.range_ms;
  if (!call.parameters.empty()) window.parameter = call.parameters[0][step];
  if (call.parameters.size() > 1) window.second_parameter = call.parameters[1][step];
  return window;
}

base::Result<Table> Evaluator::plain_range_call(const RangeCall& call, const Grid& grid) {
  Table table;
  table.steps = grid.count;
  std::string_view last_name;
  std::size_t work = 0;
  const auto visit = [&](const RangeSeries& series) -> base::Result<void> {
    const std::span<double> row = table.add_row(series.ref);
    const std::span<const model::Sample> samples(series.samples);
    SlidingExtreme sliding(call.function->extreme, samples);
    std::size_t low = 0;
    std::size_t high = 0;
    bool any = false;
    for (std::size_t step = 0; step < grid.count; ++step) {
      Window window = window_of(call, grid, step);
      while (high < samples.size() && samples[high].timestamp_ms <= window.end_ms) ++high;
      while (low < high && samples[low].timestamp_ms <= window.begin_ms) ++low;
      if (low == high) continue;
      work += call.function->extreme == Extreme::None ? high - low : 1;
      if (work > kCancelEvery) {
        work = 0;
        TC_TRY(check_cancelled());
      }
      if (call.function->extreme != Extreme::None) {
        row[step] = sliding.at(low, high);
      } else {
        window.samples = samples.subspan(low, high - low);
        row[step] = call.function->range(window);
      }
      any = any || !is_absent(row[step]);
    }
    if (call.function->wants_counter && high > 0) check_counter(call, series.ref, last_name);
    if (!any) {
      table.series.pop_back();
      table.cells.resize(table.cells.size() - grid.count);
      return base::ok();
    }
    return table.charge.grow(budget_, grid.count);
  };
  TC_TRY(for_each_range(*call.range_expr, grid, visit));
  return table;
}

}  // namespace tocsin::promql
