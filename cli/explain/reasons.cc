#include "cli/explain/reasons.h"

#include <fmt/core.h>

namespace tocsin::explain {
namespace {

bool is_vector(const Part& part) {
  return part.type == promql::ValueType::InstantVector ||
         part.type == promql::ValueType::RangeVector;
}

}  // namespace

void Reasons::say_notes(const Node& node) {
  for (const std::string& note : node.part.notes) say(node.part.text + ": " + note);
}

void Reasons::why_empty(const Node& node) {
  if (!node.part.error.empty()) {
    say(node.part.text + " cannot be evaluated: " + node.part.error);
    return;
  }
  if (!node.part.empty()) return;
  if (const auto* binary = std::get_if<promql::Binary>(&node.expr->node)) {
    why_empty(*binary, node);
  } else if (node.nodes.empty()) {
    if (node.part.notes.empty()) say("no data: " + node.part.text);
    for (const std::string& note : node.part.notes) say("no data: " + node.part.text + ": " + note);
  } else {
    why_empty_call(node);
  }
}

void Reasons::why_empty_call(const Node& node) {
  bool child_empty = false;
  const std::size_t before = reasons_.size();
  for (const Node& child : node.nodes) {
    if (!is_vector(child.part)) continue;
    if (child.part.empty() || !child.part.error.empty()) {
      child_empty = true;
      why_empty(child);
    }
  }
  if (child_empty && reasons_.size() > before) return;
  const std::string& operation = node.part.operation;
  if (operation == "absent()" || operation == "absent_over_time()") {
    say(fmt::format("{} is empty because there is data: {} has {} series", operation,
                    node.nodes.front().part.text, node.nodes.front().part.matching));
  } else if (!node.nodes.empty() && node.nodes.back().part.type == promql::ValueType::RangeVector) {
    say(fmt::format("{} gives nothing: it needs more samples than there are in {}", operation,
                    node.nodes.back().part.text));
  } else {
    say(fmt::format("{} gives nothing from what it gets", node.part.text));
  }
}

void Reasons::why_empty(const promql::Binary& binary, const Node& node) {
  const Node& left = node.nodes[0];
  const Node& right = node.nodes[1];
  const auto lacks = [](const Node& side) {
    return !side.part.error.empty() || (is_vector(side.part) && side.part.empty());
  };
  if (binary.op == promql::BinaryOp::Or) {
    why_empty(left);
    why_empty(right);
    return;
  }
  if (lacks(left)) why_empty(left);
  if (lacks(right) && binary.op != promql::BinaryOp::Unless) why_empty(right);
  if (lacks(left) || (lacks(right) && binary.op != promql::BinaryOp::Unless)) return;
  const bool with_scalar = !is_vector(left.part) || !is_vector(right.part);
  if (promql::is_comparison(binary.op) && with_scalar) {
    say(fmt::format("the condition does not hold: {}", node.part.text));
    for (const Element& element : node.part.elements) {
      say(fmt::format("{} is {}: {}", element.labels.to_string(), short_number(element.value),
                      element.note));
    }
    return;
  }
  if (node.part.notes.empty()) {
    say(fmt::format("{}: both sides have series, and none passes", node.part.text));
  }
  say_notes(node);
}

void Reasons::why_there(const Node& node) {
  const auto* binary = std::get_if<promql::Binary>(&node.expr->node);
  if (binary == nullptr) return;
  if (promql::is_set_operator(binary->op)) {
    for (const Node& child : node.nodes) {
      if (!child.part.empty()) why_there(child);
    }
    return;
  }
  if (!promql::is_comparison(binary->op)) return;
  for (const Element& element : node.part.elements) {
    if (!element.passes) continue;
    say(fmt::format("{} is {}: {} ({})", element.labels.to_string(), short_number(element.value),
                    element.note, node.part.text));
  }
}

}  // namespace tocsin::explain
