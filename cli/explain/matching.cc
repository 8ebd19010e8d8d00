// Which series of the two sides of an operator find each other, and which are lost.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>

#include "cli/explain/explain.h"
#include "common/base/strings.h"

namespace tocsin::explain {
namespace {

using promql::Matching;

model::Labels signature(const model::Labels& labels, const Matching& matching) {
  model::LabelsBuilder builder;
  const auto named = [&](std::string_view name) {
    return std::find(matching.labels.begin(), matching.labels.end(), name) != matching.labels.end();
  };
  for (const auto& label : labels) {
    const bool keep = matching.given && matching.on ? named(label.name)
                                                    : label.name != model::kMetricName &&
                                                          !(matching.given && named(label.name));
    if (keep) builder.set(label.name, label.value);
  }
  return builder.build();
}

std::set<std::string> names_of(const promql::Vector& vector) {
  std::set<std::string> names;
  for (const auto& element : vector) {
    for (const auto& label : element.labels) names.emplace(label.name);
  }
  names.erase(std::string(model::kMetricName));
  return names;
}

std::string only_in(const std::set<std::string>& a, const std::set<std::string>& b) {
  std::vector<std::string> names;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(names));
  return base::join(names, ", ");
}

std::string describe(const Matching& matching) {
  if (!matching.given) return "on all labels";
  return fmt::format("{} ({})", matching.on ? "on" : "ignoring", base::join(matching.labels, ", "));
}

}  // namespace

void Explainer::match(const promql::Binary& binary, Node& node) const {
  if (node.nodes.size() != 2) return;
  const Node& left = node.nodes[0];
  const Node& right = node.nodes[1];
  if (left.part.type != promql::ValueType::InstantVector ||
      right.part.type != promql::ValueType::InstantVector || binary.op == promql::BinaryOp::Or) {
    return;
  }
  std::set<model::Labels> partners;
  for (const auto& element : right.vector) {
    partners.insert(signature(element.labels, binary.matching));
  }
  std::size_t here = 0;
  std::size_t alone = 0;
  std::string example;
  for (const auto& element : left.vector) {
    if (!belongs(element.labels)) continue;
    ++here;
    if (partners.contains(signature(element.labels, binary.matching))) continue;
    if (alone++ == 0) example = signature(element.labels, binary.matching).to_string();
  }
  if (here == 0) return;
  const bool unless = binary.op == promql::BinaryOp::Unless;
  if (unless) {
    node.part.notes.push_back(
        fmt::format("{} of {} series on the left are taken away by the right", here - alone, here));
    return;
  }
  if (alone == 0) return;
  node.part.notes.push_back(fmt::format(
      "{} of {} series on the left find no partner on the right ({}); for example, nothing on the "
      "right has {}",
      alone, here, describe(binary.matching), example));
  if (binary.matching.given || alone < here || right.vector.empty()) return;
  const auto left_names = names_of(left.vector);
  const auto right_names = names_of(right.vector);
  const std::string more_left = only_in(left_names, right_names);
  const std::string more_right = only_in(right_names, left_names);
  if (!more_left.empty()) {
    node.part.notes.push_back("only the left has the labels " + more_left +
                              ": leave them out with ignoring (...), or name the common ones with "
                              "on (...)");
  }
  if (!more_right.empty()) {
    node.part.notes.push_back("only the right has the labels " + more_right);
  }
}

}  // namespace tocsin::explain
