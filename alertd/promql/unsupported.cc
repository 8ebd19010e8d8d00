// not_supported_yet(): what to say of a rule before its first evaluation fails.
#include <fmt/core.h>

#include "alertd/promql/functions.h"
#include "alertd/promql/parser.h"

namespace tocsin::promql {
namespace {

bool is_extended(const VectorSelector& selector) {
  return selector.mode != SelectorMode::Plain;
}

bool can_be_evaluated(const FunctionInfo& function) {
  return function.range != nullptr || function.math != nullptr || function.special != nullptr;
}

}  // namespace

std::vector<ParseError> not_supported_yet(const Expr& expr) {
  std::vector<ParseError> found;
  const auto add = [&](const Expr& at, std::string what) {
    found.push_back({at.location.begin, at.location.end, std::move(what) + " not supported yet",
                     "every evaluation would fail"});
  };
  walk(expr, [&](const Expr& node) {
    const auto* vector = std::get_if<VectorSelector>(&node.node);
    const auto* matrix = std::get_if<MatrixSelector>(&node.node);
    if (vector != nullptr && is_extended(*vector)) add(node, "'anchored' and 'smoothed' are");
    if (matrix != nullptr && is_extended(matrix->selector)) {
      add(node, "'anchored' and 'smoothed' are");
    }
    const auto* call = std::get_if<Call>(&node.node);
    if (call != nullptr && !can_be_evaluated(*call->function)) {
      add(node, fmt::format("function '{}' is", call->function->name));
    }
  });
  return found;
}

}  // namespace tocsin::promql
