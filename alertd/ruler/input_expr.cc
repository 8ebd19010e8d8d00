#include "alertd/ruler/input_expr.h"

#include <algorithm>
#include <array>
#include <vector>

#include "alertd/promql/ast.h"
#include "alertd/promql/functions.h"

namespace tocsin::ruler {
namespace {

using promql::Binary;
using promql::Expr;

// Aggregations whose choice of label sets depends on the values.
bool picks_by_value(promql::AggregateOp op) {
  using Op = promql::AggregateOp;
  static constexpr std::array kPicking{Op::TopK, Op::BottomK, Op::LimitK, Op::LimitRatio,
                                       Op::CountValues};
  return std::find(kPicking.begin(), kPicking.end(), op) != kPicking.end();
}

// The ruler's own series come and go with the state of alerts.
bool reads_alerts(const promql::VectorSelector& selector) {
  return std::any_of(selector.matchers.begin(), selector.matchers.end(), [](const auto& matcher) {
    return matcher.name() == model::kMetricName &&
           (matcher.matches("ALERTS") || matcher.matches("ALERTS_FOR_STATE"));
  });
}

std::string filter_of(const Expr& expr) {
  if (const auto* binary = std::get_if<Binary>(&expr.node)) {
    const std::string op(promql::to_string(binary->op));
    if (promql::is_set_operator(binary->op)) return "it has the set operator '" + op + "'";
    if (promql::is_comparison(binary->op) && !binary->return_bool &&
        expr.type == promql::ValueType::InstantVector) {
      return "it filters with '" + op + "' below the outermost comparison";
    }
  } else if (const auto* aggregation = std::get_if<promql::Aggregation>(&expr.node)) {
    if (picks_by_value(aggregation->op)) {
      return "'" + std::string(promql::to_string(aggregation->op)) + "' picks by value";
    }
  } else if (const auto* call = std::get_if<promql::Call>(&expr.node)) {
    const std::string name = call->function ? std::string(call->function->name) : std::string();
    if (name == "absent" || name == "absent_over_time") return "it already looks for absence";
  } else if (const auto* selector = std::get_if<promql::VectorSelector>(&expr.node)) {
    if (reads_alerts(*selector)) return "it reads the states of alerts";
  } else if (const auto* matrix = std::get_if<promql::MatrixSelector>(&expr.node)) {
    if (reads_alerts(matrix->selector)) return "it reads the states of alerts";
  }
  return {};
}

/// Collects the outermost comparisons: where, behind which sign, `bool` has to go.
struct Comparisons {
  std::vector<std::pair<std::size_t, const Binary*>> found;  ///< End of the left side.
  std::vector<const Expr*> below;                            ///< What they compare.

  void collect(const Expr& expr) {
    const Expr& inner = promql::without_parens(expr);
    const auto* binary = std::get_if<Binary>(&inner.node);
    const bool filter = binary && promql::is_comparison(binary->op) && !binary->return_bool &&
                        inner.type == promql::ValueType::InstantVector;
    if (!filter) {
      below.push_back(&inner);
      return;
    }
    found.emplace_back(binary->left->location.end, binary);
    collect(*binary->left);
    collect(*binary->right);
  }
};

/// Returns the offset behind the comparison sign that follows `at`, or npos.
std::size_t behind_sign(std::string_view text, std::size_t at, std::string_view sign) {
  while (at < text.size()) {
    if (text[at] == '#') {
      at = std::min(text.find('\n', at), text.size());
    } else if (text.substr(at, sign.size()) == sign) {
      return at + sign.size();
    } else {
      ++at;
    }
  }
  return std::string_view::npos;
}

}  // namespace

std::string filters_by_value(const Expr& expr) {
  std::string why;
  promql::walk(expr, [&](const Expr& node) {
    if (why.empty()) why = filter_of(node);
  });
  return why;
}

RuleInput derive_input(const Expr& expr, std::string_view text) {
  Comparisons comparisons;
  comparisons.collect(expr);
  const Expr& top = promql::without_parens(expr);
  if (comparisons.found.empty()) {
    std::string why = filter_of(top);
    if (why.empty()) why = "it compares nothing, so that whatever it gives fires";
    return {nullptr, std::move(why)};
  }
  for (const Expr* part : comparisons.below) {
    if (std::string why = filters_by_value(*part); !why.empty()) return {nullptr, std::move(why)};
  }
  // From the back, so that the offsets in front stay true.
  std::sort(comparisons.found.begin(), comparisons.found.end(),
            [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string changed(text);
  for (const auto& [left_end, binary] : comparisons.found) {
    const std::size_t at = behind_sign(changed, left_end, promql::to_string(binary->op));
    if (at == std::string::npos) return {nullptr, "its comparison could not be found"};
    changed.insert(at, " bool ");
  }
  promql::Parsed parsed =
      promql::parse(changed, {.experimental_functions = true, .duration_expressions = true});
  if (!parsed.expr) return {nullptr, "its comparison could not be rewritten"};
  return {std::move(parsed.expr), {}};
}

}  // namespace tocsin::ruler
