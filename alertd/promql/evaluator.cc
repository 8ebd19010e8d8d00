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
                     const Query& query, const std::function<bool()>& cancelled, const Plan* plan)
    : source_(source),
      options_(options),
      query_(query),
      cancelled_(cancelled),
      budget_(options.samples_max),
      plan_(plan),
      memory_(std::make_shared<QueryMemory>()) {}

base::Result<void> Evaluator::check_cancelled() {
  if (cancelled_ && cancelled_()) {
    return base::error(base::ErrorCode::Cancelled, "query was cancelled");
  }
  return base::ok();
}

const model::Labels* Evaluator::keep(model::Labels labels) {
  memory_->labels.push_back(std::move(labels));
  return &memory_->labels.back();
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
  if (is_planned(grid)) {
    if (PlanNode* node = plan_->find(expr)) return evaluate_planned(expr, grid, *node);
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
  if (function.special != nullptr) {
    TC_TRY(Table table, function.special(*this, expr, grid));
    table.origin = {};  // it may have changed labels
    return table;
  }
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

}  // namespace tocsin::promql
