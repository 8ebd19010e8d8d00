#include "alertd/promql/ast.h"

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

void walk(const Expr& expr, const std::function<void(const Expr&)>& visit) {
  visit(expr);
  if (const auto* subquery = std::get_if<Subquery>(&expr.node)) {
    walk(*subquery->expr, visit);
  } else if (const auto* unary = std::get_if<Unary>(&expr.node)) {
    walk(*unary->expr, visit);
  } else if (const auto* binary = std::get_if<Binary>(&expr.node)) {
    walk(*binary->left, visit);
    walk(*binary->right, visit);
  } else if (const auto* aggregation = std::get_if<Aggregation>(&expr.node)) {
    if (aggregation->parameter) walk(*aggregation->parameter, visit);
    walk(*aggregation->expr, visit);
  } else if (const auto* call = std::get_if<Call>(&expr.node)) {
    for (const ExprBox& arg : call->args) walk(*arg, visit);
  } else if (const auto* paren = std::get_if<Paren>(&expr.node)) {
    walk(*paren->expr, visit);
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
