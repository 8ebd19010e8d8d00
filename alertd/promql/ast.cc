#include "alertd/promql/ast.h"

#include <algorithm>

namespace tocsin::promql {

std::string_view to_string(ValueType type) {
  switch (type) {
    case ValueType::Scalar:
      return "scalar";
    case ValueType::InstantVector:
      return "instant vector";
    case ValueType::RangeVector:
      return "range vector";
    case ValueType::String:
      return "string";
  }
  return "?";
}

std::string_view to_string(BinaryOp op) {
  switch (op) {
    case BinaryOp::Add:
      return "+";
    case BinaryOp::Subtract:
      return "-";
    case BinaryOp::Multiply:
      return "*";
    case BinaryOp::Divide:
      return "/";
    case BinaryOp::Modulo:
      return "%";
    case BinaryOp::Power:
      return "^";
    case BinaryOp::Atan2:
      return "atan2";
    case BinaryOp::Equal:
      return "==";
    case BinaryOp::NotEqual:
      return "!=";
    case BinaryOp::Less:
      return "<";
    case BinaryOp::LessEqual:
      return "<=";
    case BinaryOp::Greater:
      return ">";
    case BinaryOp::GreaterEqual:
      return ">=";
    case BinaryOp::And:
      return "and";
    case BinaryOp::Or:
      return "or";
    case BinaryOp::Unless:
      return "unless";
  }
  return "?";
}

std::string_view to_string(AggregateOp op) {
  switch (op) {
    case AggregateOp::Sum:
      return "sum";
    case AggregateOp::Avg:
      return "avg";
    case AggregateOp::Min:
      return "min";
    case AggregateOp::Max:
      return "max";
    case AggregateOp::Count:
      return "count";
    case AggregateOp::Group:
      return "group";
    case AggregateOp::Stddev:
      return "stddev";
    case AggregateOp::Stdvar:
      return "stdvar";
    case AggregateOp::TopK:
      return "topk";
    case AggregateOp::BottomK:
      return "bottomk";
    case AggregateOp::Quantile:
      return "quantile";
    case AggregateOp::CountValues:
      return "count_values";
    case AggregateOp::LimitK:
      return "limitk";
    case AggregateOp::LimitRatio:
      return "limit_ratio";
  }
  return "?";
}

const Expr& without_parens(const Expr& expr) {
  const Expr* at = &expr;
  while (const auto* paren = std::get_if<Paren>(&at->node)) at = paren->expr.get();
  return *at;
}

namespace {

// Calls `visit` for the boxes of the node's children, in order of writing. `Node` may be const.
template <class Node, class Visit>
void for_each_child(Node& node, Visit visit) {
  if (auto* subquery = std::get_if<Subquery>(&node)) {
    visit(subquery->expr);
  } else if (auto* unary = std::get_if<Unary>(&node)) {
    visit(unary->expr);
  } else if (auto* binary = std::get_if<Binary>(&node)) {
    visit(binary->left);
    visit(binary->right);
  } else if (auto* aggregation = std::get_if<Aggregation>(&node)) {
    visit(aggregation->parameter);
    visit(aggregation->expr);
  } else if (auto* call = std::get_if<Call>(&node)) {
    for (auto& arg : call->args) visit(arg);
  } else if (auto* paren = std::get_if<Paren>(&node)) {
    visit(paren->expr);
  }
}

}  // namespace

Expr::~Expr() {
  std::vector<ExprBox> waiting;
  const auto collect = [&](Expr& expr) {
    for_each_child(expr.node, [&](ExprBox& child) {
      if (child) waiting.push_back(std::move(child));
    });
  };
  collect(*this);
  while (!waiting.empty()) {
    const ExprBox next = std::move(waiting.back());
    waiting.pop_back();
    collect(*next);
  }
}

void walk(const Expr& expr, const std::function<void(const Expr&)>& visit) {
  std::vector<const Expr*> waiting{&expr};
  while (!waiting.empty()) {
    const Expr* next = waiting.back();
    waiting.pop_back();
    visit(*next);
    const std::size_t first = waiting.size();
    for_each_child(next->node, [&](const ExprBox& child) {
      if (child) waiting.push_back(child.get());
    });
    std::reverse(waiting.begin() + static_cast<std::ptrdiff_t>(first), waiting.end());
  }
}

std::vector<const VectorSelector*> selectors_of(const Expr& expr) {
  std::vector<const VectorSelector*> found;
  walk(expr, [&](const Expr& node) {
    if (const auto* vector = std::get_if<VectorSelector>(&node.node)) found.push_back(vector);
    if (const auto* matrix = std::get_if<MatrixSelector>(&node.node)) {
      found.push_back(&matrix->selector);
    }
  });
  return found;
}

}  // namespace tocsin::promql
