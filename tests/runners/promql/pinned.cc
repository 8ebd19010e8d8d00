#include "tests/runners/promql/pinned.h"

#include <algorithm>
#include <array>
#include <set>

#include "alertd/promql/ast.h"
#include "alertd/promql/engine.h"
#include "alertd/promql/functions.h"

namespace tocsin::promql_runner {
namespace {

constexpr promql::ParseOptions kAll{.experimental_functions = true, .duration_expressions = true};

constexpr std::array<std::string_view, 15> kTimeFunctions{
    "days_in_month", "day_of_month", "day_of_week", "day_of_year",    "end",
    "hour",          "minute",       "month",       "predict_linear", "range",
    "start",         "step",         "time",        "timestamp",      "year"};

void pin(promql::TimeShift& shift, std::int64_t at_ms) {
  if (shift.at == promql::At::Timestamp) return;  // start() and end() are replaced too
  shift.at = promql::At::Timestamp;
  shift.at_ms = at_ms;
}

}  // namespace

std::string pinned(std::string_view query, std::int64_t at_ms) {
  // The tree was parsed for this call alone, so changing it is nobody else's business.
  const promql::Parsed parsed = promql::parse(query, kAll);
  auto& root = const_cast<promql::Expr&>(*parsed.expr);
  // Left alone: whatever is inside a subquery, which moves as a whole, and the second argument of
  // info().
  std::set<const promql::Expr*> fixed;
  const auto fix = [&](const promql::Expr& inside) {
    promql::walk(inside, [&](const promql::Expr& node) { fixed.insert(&node); });
  };
  promql::walk(root, [&](const promql::Expr& node) {
    if (const auto* subquery = std::get_if<promql::Subquery>(&node.node)) fix(*subquery->expr);
    const auto* call = std::get_if<promql::Call>(&node.node);
    if (call != nullptr && call->function->name == "info" && call->args.size() > 1) {
      fix(*call->args[1]);
    }
  });
  promql::walk(root, [&](const promql::Expr& constant) {
    if (fixed.contains(&constant)) return;
    auto& node = const_cast<promql::Expr&>(constant).node;
    if (auto* vector = std::get_if<promql::VectorSelector>(&node)) {
      pin(vector->shift, at_ms);
    } else if (auto* matrix = std::get_if<promql::MatrixSelector>(&node)) {
      pin(matrix->selector.shift, at_ms);
    } else if (auto* subquery = std::get_if<promql::Subquery>(&node)) {
      pin(subquery->shift, at_ms);
    }
  });
  return promql::print(root);
}

bool calls_time_function(const promql::Expr& expr) {
  bool found = false;
  promql::walk(expr, [&](const promql::Expr& node) {
    const auto* call = std::get_if<promql::Call>(&node.node);
    found =
        found || (call != nullptr && std::ranges::count(kTimeFunctions, call->function->name) != 0);
  });
  return found;
}

}  // namespace tocsin::promql_runner
