// Arithmetic and comparison: scalars, vector with scalar; and the way to vector matching.
#include <fmt/core.h>

#include <cmath>

#include "alertd/promql/evaluator.h"
#include "alertd/promql/matching.h"

namespace tocsin::promql {
namespace {

bool compare(BinaryOp op, double left, double right) {
  switch (op) {
    case BinaryOp::Equal:
      return left == right;
    case BinaryOp::NotEqual:
      return left != right;
    case BinaryOp::Less:
      return left < right;
    case BinaryOp::LessEqual:
      return left <= right;
    case BinaryOp::Greater:
      return left > right;
    default:
      return left >= right;
  }
}

double calculate(BinaryOp op, double left, double right) {
  switch (op) {
    case BinaryOp::Add:
      return left + right;
    case BinaryOp::Subtract:
      return left - right;
    case BinaryOp::Multiply:
      return left * right;
    case BinaryOp::Divide:
      return left / right;
    case BinaryOp::Modulo:
      return std::fmod(left, right);
    case BinaryOp::Power:
      return std::pow(left, right);
    default:
      return std::atan2(left, right);
  }
}

// One side is a scalar; `vector_left` says which. A comparison keeps the vector's value.
base::Result<Table> vector_scalar(Evaluator& evaluator, const Binary& node, Table table,
                                  const std::vector<double>& scalars, bool vector_left) {
  const bool filter = is_comparison(node.op) && !node.return_bool;
  for (std::size_t i = 0; i < table.series.size(); ++i) {
    const std::span<double> row = table.row(i);
    for (std::size_t step = 0; step < row.size(); ++step) {
      if (is_absent(row[step])) continue;
      const double left = vector_left ? row[step] : scalars[step];
      const double right = vector_left ? scalars[step] : row[step];
      row[step] = apply_operator(node, left, right, row[step]);
    }
  }
  if (!filter) TC_TRY(evaluator.drop_names(table));
  return table;
}

}  // namespace

double apply_operator(const Binary& node, double left, double right, double kept) {
  if (!is_comparison(node.op)) return calculate(node.op, left, right);
  const bool holds = compare(node.op, left, right);
  if (node.return_bool) return holds ? 1 : 0;
  return holds ? kept : absent_value();
}

base::Result<Table> evaluate_binary(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  const auto& node = std::get<Binary>(expr.node);
  TC_TRY(Table left, evaluator.evaluate(*node.left, grid));
  TC_TRY(Table right, evaluator.evaluate(*node.right, grid));
  const bool left_scalar = node.left->type == ValueType::Scalar;
  const bool right_scalar = node.right->type == ValueType::Scalar;
  if (left_scalar && right_scalar) {
    for (std::size_t step = 0; step < left.cells.size(); ++step) {
      left.cells[step] =
          apply_operator(node, left.cells[step], right.cells[step], left.cells[step]);
    }
    return left;
  }
  if (left_scalar) return vector_scalar(evaluator, node, std::move(right), left.cells, false);
  if (right_scalar) return vector_scalar(evaluator, node, std::move(left), right.cells, true);
  PlanNode* const memory = evaluator.memory_of(expr, grid);
  if (is_set_operator(node.op)) {
    return match_sets(evaluator, memory, node, std::move(left), std::move(right));
  }
  return match_vectors(evaluator, memory, expr, std::move(left), std::move(right));
}

}  // namespace tocsin::promql
