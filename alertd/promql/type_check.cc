// Types: what each node yields, and whether its operands fit. Reports every error, not just the
// first.
//
// Also decides which nodes are step invariant: constants, selectors pinned by @, and whatever is
// made of these alone. The evaluator computes those once for a whole range query.
#include <fmt/core.h>

#include <algorithm>

#include "alertd/promql/functions.h"
#include "alertd/promql/parser.h"

namespace tocsin::promql {
namespace {

class Checker {
 public:
  explicit Checker(std::vector<ParseError>& errors) : errors_(errors) {}

  void check(Expr& expr) {
    std::visit([&](auto& node) { visit(expr, node); }, expr.node);
  }

 private:
  void fail(const Location& at, std::string message, std::string hint = "") {
    errors_.push_back({at.begin, at.end, std::move(message), std::move(hint)});
  }

  void want(const Expr& expr, ValueType type, const std::string& context) {
    if (expr.type == type) return;
    fail(expr.location, fmt::format("expected type {} in {}, got {}", to_string(type), context,
                                    to_string(expr.type)));
  }

  void visit(Expr& expr, NumberLiteral&) {
    expr.type = ValueType::Scalar;
    expr.step_invariant = true;
  }

  void visit(Expr& expr, StringLiteral&) {
    expr.type = ValueType::String;
    expr.step_invariant = true;
  }

  void visit(Expr& expr, VectorSelector& node) {
    expr.type = ValueType::InstantVector;
    check_selector(expr, node);
  }

  void visit(Expr& expr, MatrixSelector& node) {
    expr.type = ValueType::RangeVector;
    check_selector(expr, node.selector);
  }

  void check_selector(Expr& expr, const VectorSelector& node) {
    expr.step_invariant = node.shift.at != At::None;
    const bool any = std::ranges::any_of(
        node.matchers, [](const model::Matcher& matcher) { return !matcher.matches_empty(); });
    if (any || allow_any_) return;
    fail(expr.location,
         "selector must have at least one matcher that does not match the empty string",
         "without one it would select every series");
  }

  void visit(Expr& expr, Subquery& node) {
    expr.type = ValueType::RangeVector;
    check(*node.expr);
    expr.step_invariant = node.shift.at != At::None;
    if (node.expr->type == ValueType::InstantVector) return;
    fail(expr.location,
         fmt::format("subquery is only allowed on an instant vector, got {}",
                     to_string(node.expr->type)),
         node.expr->type == ValueType::Scalar ? "vector(...) makes one of a scalar" : "");
  }

  void visit(Expr& expr, Unary& node) {
    check(*node.expr);
    expr.type = node.expr->type;
    expr.step_invariant = node.expr->step_invariant;
    if (expr.type == ValueType::Scalar || expr.type == ValueType::InstantVector) return;
    fail(expr.location, fmt::format("a sign is only allowed on a scalar or instant vector, got {}",
                                    to_string(expr.type)));
  }

  void visit(Expr& expr, Paren& node) {
    check(*node.expr);
    expr.type = node.expr->type;
    expr.step_invariant = node.expr->step_invariant;
  }

  void visit(Expr& expr, Binary& node) {
    check(*node.left);
    check(*node.right);
    expr.step_invariant = node.left->step_invariant && node.right->step_invariant;
    bool usable = true;
    for (const Expr* side : {node.left.get(), node.right.get()}) {
      if (side->type == ValueType::Scalar || side->type == ValueType::InstantVector) continue;
      fail(side->location,
           fmt::format("binary expression must contain only scalars and instant vectors, got {}",
                       to_string(side->type)));
      usable = false;
    }
    const bool scalars =
        node.left->type == ValueType::Scalar && node.right->type == ValueType::Scalar;
    const bool vectors =
        node.left->type == ValueType::InstantVector && node.right->type == ValueType::InstantVector;
    expr.type = scalars ? ValueType::Scalar : ValueType::InstantVector;
    if (!usable) return;
    if (is_set_operator(node.op) && !vectors) {
      fail(expr.location, fmt::format("set operator '{}' is only allowed between instant vectors",
                                      to_string(node.op)));
    }
    if (scalars && is_comparison(node.op) && !node.return_bool) {
      fail(expr.location, "comparisons between scalars must use the bool modifier",
           fmt::format("write '{} bool'", to_string(node.op)));
    }
    const Matching& match = node.matching;
    if ((match.given || match.fill_left || match.fill_right) && !vectors) {
      fail(expr.location, "vector matching is only allowed between instant vectors");
    }
    if (is_set_operator(node.op) && (match.fill_left || match.fill_right)) {
      fail(expr.location,
           fmt::format("fill modifiers are not allowed for '{}'", to_string(node.op)));
    }
  }

  void visit(Expr& expr, Aggregation& node) {
    expr.type = ValueType::InstantVector;
    const std::string context = fmt::format("aggregation '{}'", to_string(node.op));
    check(*node.expr);
    want(*node.expr, ValueType::InstantVector, context);
    expr.step_invariant = node.expr->step_invariant;
    if (!node.parameter) return;
    check(*node.parameter);
    want(*node.parameter,
         node.op == AggregateOp::CountValues ? ValueType::String : ValueType::Scalar, context);
    expr.step_invariant = expr.step_invariant && node.parameter->step_invariant;
    if (node.op != AggregateOp::CountValues) return;
    const auto* label = std::get_if<StringLiteral>(&without_parens(*node.parameter).node);
    if (label != nullptr && label->value.empty()) {
      fail(node.parameter->location, "the label of count_values must not be empty");
    }
  }

  void visit(Expr& expr, Call& node) {
    const FunctionInfo& function = *node.function;
    expr.type = function.result;
    const std::size_t count = node.args.size();
    if (count < function.args_min || (function.args_max != 255 && count > function.args_max)) {
      const std::string wanted =
          function.args_max == 255 ? fmt::format("at least {}", function.args_min)
          : function.args_min == function.args_max
              ? fmt::format("{}", function.args_min)
              : fmt::format("{} to {}", function.args_min, function.args_max);
      fail(expr.location,
           fmt::format("wrong number of arguments for function '{}': expected {}, got {}",
                       function.name, wanted, count));
      return;
    }
    expr.step_invariant = !function.time_dependent;
    for (std::size_t i = 0; i < count; ++i) {
      allow_any_ = function.name == "info" && i == 1;
      check(*node.args[i]);
      if (allow_any_) check_info_selector(*node.args[i]);
      allow_any_ = false;
      want(*node.args[i], function.arg(i), fmt::format("call to function '{}'", function.name));
      expr.step_invariant = expr.step_invariant && node.args[i]->step_invariant;
    }
  }

  void check_info_selector(const Expr& expr) {
    const auto* selector = std::get_if<VectorSelector>(&expr.node);
    const bool bare = selector != nullptr && selector->name.empty() && !selector->shift.offset &&
                      selector->shift.at == At::None;
    if (!bare) {
      fail(expr.location, "the second argument of info() must be label matchers in braces",
           "such as {version=~\".+\"}");
    }
  }

  std::vector<ParseError>& errors_;
  bool allow_any_ = false;  // the second argument of info() may select everything
};

}  // namespace

void check_types(Expr& expr, std::vector<ParseError>& errors) {
  Checker(errors).check(expr);
}

}  // namespace tocsin::promql
