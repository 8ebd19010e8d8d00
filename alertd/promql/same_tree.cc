// same_tree(): are two expressions equal apart from where they stand?
//
// What printing and parsing again must give back. Trees come from the parser, so recursion is
// bounded by its limits.
#include <algorithm>
#include <cmath>

#include "alertd/promql/ast.h"

namespace tocsin::promql {
namespace {

bool same(double a, double b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

bool same(const std::optional<double>& a, const std::optional<double>& b) {
  return a.has_value() == b.has_value() && (!a || same(*a, *b));
}

bool same(const DurationBox& a, const DurationBox& b) {
  if (!a || !b) return !a && !b;
  return a->kind == b->kind && same(a->seconds, b->seconds) && same(a->left, b->left) &&
         same(a->right, b->right);
}

bool same(const ExprBox& a, const ExprBox& b) {
  if (!a || !b) return !a && !b;
  return same_tree(*a, *b);
}

bool same(const TimeShift& a, const TimeShift& b) {
  return a.at == b.at && a.at_ms == b.at_ms && same(a.offset, b.offset);
}

bool same(const NumberLiteral& a, const NumberLiteral& b) {
  return same(a.value, b.value);
}
bool same(const StringLiteral& a, const StringLiteral& b) {
  return a.value == b.value;
}
bool same(const VectorSelector& a, const VectorSelector& b) {
  return a.name == b.name && a.quoted == b.quoted && a.matchers == b.matchers && a.mode == b.mode &&
         same(a.shift, b.shift);
}
bool same(const MatrixSelector& a, const MatrixSelector& b) {
  return same(a.selector, b.selector) && same(a.range, b.range);
}
bool same(const Subquery& a, const Subquery& b) {
  return same(a.expr, b.expr) && same(a.range, b.range) && same(a.step, b.step) &&
         same(a.shift, b.shift);
}
bool same(const Unary& a, const Unary& b) {
  return a.negative == b.negative && same(a.expr, b.expr);
}
bool same(const Matching& a, const Matching& b) {
  return a.given == b.given && a.on == b.on && a.labels == b.labels && a.group == b.group &&
         a.include == b.include && same(a.fill_left, b.fill_left) &&
         same(a.fill_right, b.fill_right);
}
bool same(const Binary& a, const Binary& b) {
  return a.op == b.op && a.return_bool == b.return_bool && same(a.matching, b.matching) &&
         same(a.left, b.left) && same(a.right, b.right);
}
bool same(const Aggregation& a, const Aggregation& b) {
  return a.op == b.op && a.without == b.without && a.grouping == b.grouping &&
         same(a.parameter, b.parameter) && same(a.expr, b.expr);
}
bool same(const Call& a, const Call& b) {
  return a.function == b.function &&
         std::ranges::equal(a.args, b.args,
                            [](const ExprBox& x, const ExprBox& y) { return same(x, y); });
}
bool same(const Paren& a, const Paren& b) {
  return same(a.expr, b.expr);
}

}  // namespace

bool same_tree(const Expr& a, const Expr& b) {
  if (a.type != b.type || a.step_invariant != b.step_invariant) return false;
  if (a.node.index() != b.node.index()) return false;
  return std::visit(
      [&](const auto& node) { return same(node, std::get<std::decay_t<decltype(node)>>(b.node)); },
      a.node);
}

}  // namespace tocsin::promql
