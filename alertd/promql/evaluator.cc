#include "alertd/promql/evaluator.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "common/base/check.h"

namespace tocsin::promql {
namespace {

const model::Labels& no_labels() {
  static const model::Labels none;
  return none;
}

Table broadcast(Table one, std::size_t steps) {
  Table table;
  table.steps = steps;
  table.series = std::move(one.series);
  table.distinct_without_name = one.distinct_without_name;
  table.cells.reserve(table.series.size() * steps);
  for (const double value : one.cells) table.cells.insert(table.cells.end(), steps, value);
  return table;
}

constexpr std::size_t kCancelEvery = 1 << 20;  // samples seen by windows

bool is_counter_name(std::string_view name) {
  return name.ends_with("_total") || name.ends_with("_sum") || name.ends_with("_count") ||
         name.ends_with("_bucket");
}

}  // namespace

base::Error error_at(const Location& at, std::string_view text) {
  return base::error(base::ErrorCode::InvalidArgument,
                     fmt::format("{} ({}:{})", text, at.line, at.column));
}

base::Error unsupported(const Location& at, std::string_view what) {
  return error_at(at, fmt::format("{} not supported yet", what));
}

base::Error plain_error(std::string text) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(text));
}

Table scalar_table(const Evaluator&, std::size_t steps, double value) {
  Table table;
  table.steps = steps;
  table.series.push_back({&no_labels(), NameState::Gone});
  table.cells.assign(steps, value);
  table.distinct_without_name = true;
  return table;
}

void Annotations::warning(const Location& at, std::string_view text) {
  add(warnings_, fmt::format("PromQL warning: {} ({}:{})", text, at.line, at.column));
}

void Annotations::info(const Location& at, std::string_view text) {
  add(infos_, fmt::format("PromQL info: {} ({}:{})", text, at.line, at.column));
}

void Annotations::add(std::set<std::string>& to, std::string text) {
  if (to.size() < kAnnotationsMax) {
    to.insert(std::move(text));
  } else if (!to.contains(text)) {
    more_ = true;
  }
}

void Annotations::move_to(QueryResult& result) {
  result.warnings.assign(warnings_.begin(), warnings_.end());
  result.infos.assign(infos_.begin(), infos_.end());
  if (!more_) return;
  result.warnings.push_back(fmt::format(
      "PromQL warning: more than {} annotations, the others are not shown", kAnnotationsMax));
}

Evaluator::Evaluator(const model::SeriesSource& source, const EngineOptions& options,
                     const Query& query, const std::function<bool()>& cancelled)
    : source_(source),
      options_(options),
      query_(query),
      cancelled_(cancelled),
      budget_(options.samples_max) {}

base::Result<void> Evaluator::check_cancelled() {
  if (cancelled_ && cancelled_()) {
    return base::error(base::ErrorCode::Cancelled, "query was cancelled");
  }
  return base::ok();
}

const model::Labels* Evaluator::keep(model::Labels labels) {
  labels_.push_back(std::move(labels));
  return &labels_.back();
}

base::Result<void> Evaluator::charge(Table& table) {
  return table.charge.grow(budget_, table.cells.size());
}

base::Result<void> Evaluator::drop_names(Table& table) const {
  for (SeriesRef& series : table.series) series.name = std::max(series.name, NameState::Drop);
  if (delayed() || table.distinct_without_name) return base::ok();
  TC_TRY(merge_equal_series(table, false, false));
  table.distinct_without_name = true;
  return base::ok();
}

const std::string& Evaluator::text(const Expr& expr) {
  const auto* literal = std::get_if<StringLiteral>(&without_parens(expr).node);
  TC_CHECK(literal != nullptr, "a string argument is always a literal: the type checker says so");
  return literal->value;
}

base::Result<std::vector<double>> Evaluator::scalar(const Expr& expr, const Grid& grid) {
  TC_TRY(Table table, evaluate(expr, grid));
  return std::move(table.cells);
}

base::Result<double> Evaluator::duration_seconds(const DurationExpr& expr) const {
  using Kind = DurationExpr::Kind;
  switch (expr.kind) {
    case Kind::Constant:
      return expr.seconds;
    case Kind::Step:
      return static_cast<double>(query_.step_ms) / 1000.0;
    case Kind::Range:
      return static_cast<double>(query_.end_ms - query_.begin_ms) / 1000.0;
    case Kind::Negate: {
      TC_TRY(const double value, duration_seconds(*expr.left));
      return -value;
    }
    default:
      break;
  }
  TC_TRY(const double left, duration_seconds(*expr.left));
  TC_TRY(const double right, duration_seconds(*expr.right));
  switch (expr.kind) {
    case Kind::Add:
      return left + right;
    case Kind::Subtract:
      return left - right;
    case Kind::Multiply:
      return left * right;
    case Kind::Divide:
    case Kind::Modulo:
      if (right == 0) return error_at(expr.location, "division by zero in a duration");
      return expr.kind == Kind::Divide ? left / right : std::fmod(left, right);
    case Kind::Power:
      return std::pow(left, right);
    case Kind::MinOf:
      return std::min(left, right);
    default:
      return std::max(left, right);
  }
}

base::Result<std::int64_t> Evaluator::duration_ms(const DurationExpr& expr, bool positive) const {
  TC_TRY(const double seconds, duration_seconds(expr));
  if (!std::isfinite(seconds) || std::fabs(seconds) > 9'223'372'036) {
    return error_at(expr.location, "duration is out of range");
  }
  const std::int64_t ms = std::llround(seconds * 1000);
  if (positive && ms <= 0) return error_at(expr.location, "duration must be greater than 0");
  return ms;
}

base::Result<Table> Evaluator::evaluate(const Expr& expr, const Grid& grid) {
  TC_TRY(check_cancelled());
  if (grid.count == 0) {
    Table empty;
    empty.steps = 0;
    return empty;
  }
  if (!expr.step_invariant || grid.count == 1) return evaluate_node(expr, grid);
  TC_TRY(Table one, evaluate_node(expr, Grid{grid.begin_ms, grid.step_ms, 1}));
  Table table = broadcast(std::move(one), grid.count);
  TC_TRY(charge(table));
  return table;
}

base::Result<Table> Evaluator::evaluate_node(const Expr& expr, const Grid& grid) {
  if (const auto* number = std::get_if<NumberLiteral>(&expr.node)) {
    return scalar_table(*this, grid.count, number->value);
  }
  if (const auto* selector = std::get_if<VectorSelector>(&expr.node)) {
    if (selector->mode != SelectorMode::Plain) {
      return unsupported(expr.location, "'anchored' and 'smoothed' selectors are");
    }
    return evaluate_selector(*selector, grid, false);
  }
  if (const auto* paren = std::get_if<Paren>(&expr.node)) return evaluate(*paren->expr, grid);
  if (const auto* unary = std::get_if<Unary>(&expr.node)) return evaluate_unary(*unary, grid);
  if (std::holds_alternative<Binary>(expr.node)) return evaluate_binary(*this, expr, grid);
  if (std::holds_alternative<Aggregation>(expr.node)) {
    return evaluate_aggregation(*this, expr, grid);
  }
  if (std::holds_alternative<Call>(expr.node)) return evaluate_call(expr, grid);
  return error_at(expr.location, fmt::format("unexpected {} in this place", to_string(expr.type)));
}

base::Result<Table> Evaluator::evaluate_unary(const Unary& unary, const Grid& grid) {
  TC_TRY(Table table, evaluate(*unary.expr, grid));
  if (!unary.negative) return table;
  for (double& value : table.cells) {
    if (!is_absent(value)) value = -value;
  }
  if (unary.expr->type == ValueType::InstantVector) TC_TRY(drop_names(table));
  return table;
}

base::Result<Table> Evaluator::evaluate_call(const Expr& expr, const Grid& grid) {
  const auto& call = std::get<Call>(expr.node);
  const FunctionInfo& function = *call.function;
  if (function.special != nullptr) return function.special(*this, expr, grid);
  if (function.range != nullptr) return evaluate_range_call(expr, grid);
  if (function.math == nullptr) {
    return unsupported(expr.location, fmt::format("function '{}' is", function.name));
  }
  TC_TRY(Table table, evaluate(*call.args[0], grid));
  for (double& value : table.cells) {
    if (!is_absent(value)) value = function.math(value);
  }
  TC_TRY(drop_names(table));
  return table;
}

base::Result<Table> Evaluator::evaluate_range_call(const Expr& expr, const Grid& grid) {
  const auto& call = std::get<Call>(expr.node);
  const FunctionInfo& function = *call.function;
  const Expr* range_expr = nullptr;
  std::vector<std::vector<double>> parameters;
  for (const ExprBox& arg : call.args) {
    if (arg->type == ValueType::RangeVector) {
      range_expr = &without_parens(*arg);
      continue;
    }
    TC_TRY(parameters.emplace_back(), scalar(*arg, grid));
    if (function.check == nullptr) continue;
    TC_TRY(function.check(*this, *arg, parameters.back()));
  }
  TC_TRY(const Shift shift, shift_of(*range_expr));
  Table table;
  table.steps = grid.count;
  table.distinct_without_name = true;
  std::string_view last_name;
  std::size_t work = 0;
  const auto visit = [&](const RangeSeries& series) -> base::Result<void> {
    const std::span<double> row = table.add_row(series.ref);
    Window window;
    window.scratch = &scratch_;
    const std::span<const model::Sample> samples(series.samples);
    std::size_t low = 0;
    std::size_t high = 0;
    bool any = false;
    for (std::size_t step = 0; step < grid.count; ++step) {
      window.at_ms = grid.at(step);
      window.end_ms = shift.end_at(window.at_ms);
      window.begin_ms = window.end_ms - shift.range_ms;
      while (high < samples.size() && samples[high].timestamp_ms <= window.end_ms) ++high;
      while (low < high && samples[low].timestamp_ms <= window.begin_ms) ++low;
      if (low == high) continue;
      work += high - low;
      if (work > kCancelEvery) {
        work = 0;
        TC_TRY(check_cancelled());
      }
      window.samples = samples.subspan(low, high - low);
      if (!parameters.empty()) window.parameter = parameters[0][step];
      if (parameters.size() > 1) window.second_parameter = parameters[1][step];
      row[step] = function.range(window);
      any = any || !is_absent(row[step]);
    }
    if (function.wants_counter && high > 0) {
      const std::string_view name = visible_label(series.ref, model::kMetricName, delayed());
      if (!name.empty() && name != last_name && !is_counter_name(name)) {
        annotations_.info(range_expr->location,
                          fmt::format("metric might not be a counter, name does not end in "
                                      "_total/_sum/_count/_bucket: {}",
                                      fmt::format("\"{}\"", name)));
      }
      last_name = name;
    }
    if (!any) {
      table.series.pop_back();
      table.cells.resize(table.cells.size() - grid.count);
      return base::ok();
    }
    return table.charge.grow(budget_, grid.count);
  };
  TC_TRY(for_each_range(*range_expr, grid, visit));
  if (function.keeps_name) {
    table.distinct_without_name = false;
    return table;
  }
  const auto* matrix = std::get_if<MatrixSelector>(&range_expr->node);
  table.distinct_without_name =
      matrix != nullptr &&
      std::ranges::any_of(matrix->selector.matchers, [](const model::Matcher& matcher) {
        return matcher.name() == model::kMetricName && matcher.op() == model::MatchOp::Equal;
      });
  TC_TRY(drop_names(table));
  return table;
}

}  // namespace tocsin::promql
