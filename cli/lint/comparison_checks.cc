// Conditions that are settled before any data comes.

#include <fmt/core.h>

#include "alertd/promql/engine.h"
#include "alertd/promql/functions.h"
#include "cli/lint/expr_checks.h"
#include "cli/lint/value_range.h"

namespace tocsin::lint {
namespace {

using namespace promql;  // NOLINT: every name here is the tree's

bool is_call(const Expr& expr, std::string_view name) {
  const auto* call = std::get_if<Call>(&without_parens(expr).node);
  return call != nullptr && call->function->name == name;
}

bool is_count(const Expr& expr) {
  const auto* aggregation = std::get_if<Aggregation>(&without_parens(expr).node);
  return aggregation != nullptr && aggregation->op == AggregateOp::Count;
}

/// Whether the result is 0 or 1 for every series, and so never empty.
bool is_bool_result(const Expr& expr) {
  const Expr& inside = without_parens(expr);
  const auto* binary = std::get_if<Binary>(&inside.node);
  if (binary == nullptr) return false;
  if (is_comparison(binary->op)) return binary->return_bool;
  const bool both = is_bool_result(*binary->left) && is_bool_result(*binary->right);
  if (binary->op == BinaryOp::And || binary->op == BinaryOp::Or) return both;
  return both && (binary->op == BinaryOp::Multiply || binary->op == BinaryOp::Add);
}

/// Whether it is a constant on purpose: the heartbeat of the whole chain.
bool is_constant(const Expr& expr) {
  return selectors_of(expr).empty();
}

/// Whether selecting the series is the condition: an info metric, or another alert.
bool selects_a_state(const Expr& expr) {
  for (const VectorSelector* selector : selectors_of(expr)) {
    if (selector->name == "ALERTS" || selector->name.ends_with("_info")) return true;
  }
  return false;
}

class ComparisonCheck {
 public:
  ComparisonCheck(const Subject& subject, ExprWorld& world) : subject_(subject), world_(world) {}

  void visit(const Expr& expr) {
    const auto* binary = std::get_if<Binary>(&expr.node);
    if (binary == nullptr) return;
    if (is_comparison(binary->op)) check_comparison(expr, *binary);
    check_self(expr, *binary);
  }

  void check_root() {
    if (!subject_.alerting()) return;
    const ruler::Rule& rule = *subject_.rule;
    if (rule.levelled) {
      check_levels();
      return;
    }
    const Expr& root = *rule.expr;
    if (is_bool_result(root)) {
      say(root.location,
          {"alert-always", Level::Error,
           "a comparison with 'bool' returns 0 or 1 for every series, and an alert fires for every "
           "series that is returned",
           "take 'bool' out, or compare the result: (...) == 1"});
    } else if (!is_conditional(root) && !is_constant(root) && !selects_a_state(root)) {
      say(root.location, {"alert-without-condition", Level::Warning,
                          "there is no condition: the alert fires as long as these series exist",
                          "compare with something: > 0, == 1"});
    }
  }

 private:
  void say(const Location& where, Remark remark) {
    world_.reporter.at_expr(subject_, where, std::move(remark));
  }

  void check_comparison(const Expr& expr, const Binary& binary) {
    const ValueRange left = value_range(*binary.left);
    const ValueRange right = value_range(*binary.right);
    const Truth truth = compare(left, binary.op, right);
    if (truth == Truth::Depends) return;
    const bool scalar_left = binary.left->type == ValueType::Scalar;
    const Expr& operand = scalar_left ? *binary.right : *binary.left;
    const ValueRange& range = scalar_left ? right : left;
    const std::string text = std::string(to_string(binary.op));
    if (truth == Truth::Never) {
      say(expr.location, {"comparison-never", Level::Error,
                          fmt::format("this is never true: the {} side of '{}' is {}",
                                      scalar_left ? "right" : "left", text, describe(range)),
                          never_hint(operand, binary)});
      return;
    }
    // `count(up == 0) > 0`: always true, and yet empty when nothing is counted.
    if (is_conditional(operand) || is_constant(expr)) {
      if (!is_constant(expr) || binary.return_bool) return;
    }
    if (is_constant(expr) && subject_.alerting() &&
        &expr == &without_parens(*subject_.rule->expr)) {
      return;  // an alert that always fires, on purpose: vector(1) > 0
    }
    say(expr.location,
        {"comparison-always", Level::Warning,
         fmt::format("this is always true: the {} side of '{}' is {}",
                     scalar_left ? "right" : "left", text, describe(range)),
         is_count(operand) ? "it only says that there are series; for none of them: absent()"
                           : "compare with a value that it can be on both sides of"});
  }

  static std::string never_hint(const Expr& operand, const Binary& binary) {
    if (is_count(operand)) {
      return "count() of nothing is no zero but nothing: use absent(), or (count(...) or "
             "vector(0))";
    }
    if (is_call(operand, "count_over_time")) {
      return "of a series without samples nothing is returned: use absent_over_time()";
    }
    if (is_call(operand, "absent") || is_call(operand, "absent_over_time")) {
      return "absent() returns 1 or nothing: leave the comparison out";
    }
    return fmt::format("look at the direction of '{}' and at the units: a ratio is between 0 and 1",
                       to_string(binary.op));
  }

  void check_self(const Expr& expr, const Binary& binary) {
    const bool divides = binary.op == BinaryOp::Divide || binary.op == BinaryOp::Modulo;
    const bool relevant =
        divides || binary.op == BinaryOp::Subtract || binary.op == BinaryOp::Unless;
    if (!relevant || is_constant(*binary.left)) return;
    if (print(without_parens(*binary.left)) != print(without_parens(*binary.right))) return;
    std::string result = binary.op == BinaryOp::Divide   ? "the result is 1, or NaN at zero"
                         : binary.op == BinaryOp::Unless ? "the result is empty"
                                                         : "the result is 0";
    say(expr.location, {"division-by-itself", Level::Error,
                        fmt::format("both sides of '{}' are the same expression: {}",
                                    to_string(binary.op), result),
                        "one of the two was meant to be another metric, matcher or offset"});
  }

  void check_levels() {
    const ValueRange range = value_range(*subject_.rule->expr);
    for (const ruler::Level& level : subject_.rule->levels) {
      if (!level.bound) continue;
      const BinaryOp op = level.bound->side == ruler::Bound::Side::Above ? BinaryOp::Greater
                          : level.bound->side == ruler::Bound::Side::AtLeast
                              ? BinaryOp::GreaterEqual
                          : level.bound->side == ruler::Bound::Side::Below ? BinaryOp::Less
                                                                           : BinaryOp::LessEqual;
      const Truth truth = compare(range, op, ValueRange::point(level.bound->value));
      if (truth == Truth::Depends) continue;
      const std::string key(model::to_string(level.severity));
      const config::Node* node = subject_.node == nullptr ? nullptr : subject_.node->find(key);
      const base::Position at =
          node == nullptr ? base::Position{subject_.rule->place.line, subject_.rule->place.column}
                          : node->at;
      const bool never = truth == Truth::Never;
      Finding finding;
      finding.id = never ? "comparison-never" : "comparison-always";
      finding.level = never ? Level::Error : Level::Warning;
      finding.file = subject_.document->source.file;
      finding.line = at.line;
      finding.column = at.column;
      finding.message =
          fmt::format("the level '{}' ({}) is {} reached: the value is {}", key,
                      level.bound->to_string(), never ? "never" : "always", describe(range));
      finding.hint =
          "look at the unit of the value: a ratio is between 0 and 1, per cent are 100 *";
      finding.group = subject_.group->name;
      finding.rule = subject_.rule->name;
      world_.reporter.add(std::move(finding));
    }
  }

  const Subject& subject_;
  ExprWorld& world_;
};

}  // namespace

void check_comparisons(const Subject& subject, ExprWorld& world) {
  ComparisonCheck check(subject, world);
  walk(*subject.rule->expr, [&](const Expr& expr) { check.visit(expr); });
  check.check_root();
}

}  // namespace tocsin::lint
