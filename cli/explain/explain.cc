#include "cli/explain/explain.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "alertd/promql/functions.h"
#include "cli/explain/reasons.h"

namespace tocsin::explain {
namespace {

using promql::Expr;

std::string operation_of(const Expr& expr) {
  struct Visitor {
    std::string operator()(const promql::NumberLiteral&) const { return "number"; }
    std::string operator()(const promql::StringLiteral&) const { return "text"; }
    std::string operator()(const promql::VectorSelector&) const { return "selector"; }
    std::string operator()(const promql::MatrixSelector&) const { return "range selector"; }
    std::string operator()(const promql::Subquery&) const { return "subquery"; }
    std::string operator()(const promql::Unary& unary) const { return unary.negative ? "-" : "+"; }
    std::string operator()(const promql::Binary& binary) const {
      return std::string(to_string(binary.op));
    }
    std::string operator()(const promql::Aggregation& aggregation) const {
      return std::string(to_string(aggregation.op));
    }
    std::string operator()(const promql::Call& call) const {
      return std::string(call.function->name) + "()";
    }
    std::string operator()(const promql::Paren&) const { return "( )"; }
  };
  return std::visit(Visitor{}, expr.node);
}

}  // namespace

base::Result<Explanation> Explainer::explain(const std::string& text, const Expr& expr) {
  text_ = text;
  queries_ = 0;
  TC_TRY(Node root, evaluate(expr));
  Explanation explanation;
  explanation.reasons = Reasons(root.part.empty()).of(root);
  for (const promql::VectorSample& element : root.vector) {
    if (belongs(element.labels)) explanation.result.push_back(element);
  }
  explanation.root = take(std::move(root));
  return explanation;
}

Part Explainer::take(Node node) {
  for (Node& child : node.nodes) node.part.parts.push_back(take(std::move(child)));
  return std::move(node.part);
}

std::string Explainer::text_of(const Expr& expr) const {
  const auto& at = expr.location;
  if (at.end <= text_.size() && at.begin < at.end) return text_.substr(at.begin, at.end - at.begin);
  return promql::print(expr);
}

bool Explainer::belongs(const model::Labels& labels) const {
  return std::all_of(wanted_.begin(), wanted_.end(), [&](const model::LabelView& label) {
    const std::string_view value = labels.get(label.name);
    return value.empty() || value == label.value;
  });
}

base::Result<promql::Vector> Explainer::query(const std::string& expr) {
  if (++queries_ > limits_.queries_max) {
    return base::error(base::ErrorCode::LimitExceeded,
                       fmt::format("not evaluated: more than {} queries", limits_.queries_max));
  }
  TC_TRY(const auto answer, api_.instant(expr, at_));
  return answer.vector();
}

base::Result<void> Explainer::ask(const std::string& expr, Node& node) {
  auto vector = query(expr);
  if (vector) {
    node.vector = std::move(*vector);
    return base::ok();
  }
  if (vector.error().code == base::ErrorCode::Unavailable) return std::move(vector).error();
  node.part.error = vector.error().message;
  return base::ok();
}

base::Result<Explainer::Node> Explainer::evaluate(const Expr& expr) {
  if (const auto* paren = std::get_if<promql::Paren>(&expr.node)) return evaluate(*paren->expr);
  Node node;
  node.expr = &expr;
  node.part.text = text_of(expr);
  node.part.operation = operation_of(expr);
  node.part.type = expr.type;
  if (const auto* number = std::get_if<promql::NumberLiteral>(&expr.node)) {
    node.vector.push_back({{}, {base::to_ms(at_), number->value}});
    show(node);
    return node;
  }
  if (expr.type == promql::ValueType::String) return node;
  // Of a range vector, the number of samples in each window says what there is to say.
  const bool range = expr.type == promql::ValueType::RangeVector;
  TC_TRY(ask(range ? "count_over_time(" + node.part.text + ")" : node.part.text, node));
  TC_TRY(evaluate_children(expr, node));
  show(node);
  if (const auto* selector = std::get_if<promql::VectorSelector>(&expr.node)) {
    TC_TRY(look_into_selector(*selector, node));
  } else if (const auto* many = std::get_if<promql::MatrixSelector>(&expr.node)) {
    TC_TRY(look_into_selector(many->selector, node));
  } else if (const auto* binary = std::get_if<promql::Binary>(&expr.node)) {
    if (promql::is_comparison(binary->op)) compare(*binary, node);
    match(*binary, node);
  }
  return node;
}

base::Result<void> Explainer::evaluate_children(const Expr& expr, Node& node) {
  std::vector<const Expr*> children;
  if (const auto* subquery = std::get_if<promql::Subquery>(&expr.node)) {
    children = {subquery->expr.get()};
    node.part.notes.emplace_back("what it repeats is shown as it is at the end of the window");
  } else if (const auto* unary = std::get_if<promql::Unary>(&expr.node)) {
    children = {unary->expr.get()};
  } else if (const auto* binary = std::get_if<promql::Binary>(&expr.node)) {
    children = {binary->left.get(), binary->right.get()};
  } else if (const auto* aggregation = std::get_if<promql::Aggregation>(&expr.node)) {
    children = {aggregation->parameter.get(), aggregation->expr.get()};
  } else if (const auto* call = std::get_if<promql::Call>(&expr.node)) {
    for (const auto& arg : call->args) children.push_back(arg.get());
  }
  for (const Expr* child : children) {
    if (child == nullptr) continue;
    TC_TRY(Node evaluated, evaluate(*child));
    node.nodes.push_back(std::move(evaluated));
  }
  return base::ok();
}

void Explainer::show(Node& node) const {
  node.part.total = node.vector.size();
  const bool range = node.part.type == promql::ValueType::RangeVector;
  for (const promql::VectorSample& element : node.vector) {
    if (!belongs(element.labels)) continue;
    if (node.part.matching++ >= limits_.elements) continue;
    node.part.elements.push_back(
        {element.labels, element.sample.value, range ? "samples in the window" : "", true});
  }
}

void Explainer::compare(const promql::Binary& binary, Node& node) const {
  if (node.nodes.size() != 2) return;
  const Node& left = node.nodes[0];
  const Node& right = node.nodes[1];
  const bool left_scalar = left.part.type == promql::ValueType::Scalar;
  const bool right_scalar = right.part.type == promql::ValueType::Scalar;
  if (left_scalar == right_scalar) return;
  // `5 < x` is said as `x > 5`.
  const auto mirrored = [&] {
    switch (binary.op) {
      case promql::BinaryOp::Less:
        return promql::BinaryOp::Greater;
      case promql::BinaryOp::LessEqual:
        return promql::BinaryOp::GreaterEqual;
      case promql::BinaryOp::Greater:
        return promql::BinaryOp::Less;
      case promql::BinaryOp::GreaterEqual:
        return promql::BinaryOp::LessEqual;
      default:
        return binary.op;
    }
  };
  const promql::BinaryOp op = left_scalar ? mirrored() : binary.op;
  const Node& values = left_scalar ? right : left;
  const Node& bound = left_scalar ? left : right;
  if (bound.vector.empty()) return;
  const double threshold = bound.vector.front().sample.value;
  // What passes and what does not, with its distance: the result alone shows only what passes.
  std::vector<Element> seen;
  std::size_t passing = 0;
  for (const promql::VectorSample& element : values.vector) {
    if (!belongs(element.labels)) continue;
    const double value = element.sample.value;
    const bool passes = holds(op, value, threshold);
    if (passes) ++passing;
    seen.push_back({element.labels, value, describe_distance(op, value, threshold), passes});
  }
  // Those that pass, then the nearest to the threshold: the next that would.
  std::stable_sort(seen.begin(), seen.end(), [threshold](const Element& a, const Element& b) {
    if (a.passes != b.passes) return a.passes;
    return std::abs(a.value - threshold) < std::abs(b.value - threshold);
  });
  if (!seen.empty()) {
    node.part.notes.push_back(fmt::format("{} of {} series {} {} {}", passing, seen.size(),
                                          passing == 1 ? "is" : "are", to_string(op),
                                          short_number(threshold)));
  }
  if (seen.size() > limits_.elements) seen.resize(limits_.elements);
  node.part.elements = std::move(seen);
}

}  // namespace tocsin::explain
