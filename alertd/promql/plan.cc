#include "alertd/promql/plan.h"

#include "alertd/promql/ast.h"
#include "alertd/promql/functions.h"

namespace tocsin::promql {

void GroupMemory::start(std::size_t side, const Origin& origin) {
  sides[side].input = {origin.of, origin.list, origin.entries, {}};
  sides[side].of.assign(origin.entries, kUnknown);
}

const model::Labels* GroupMemory::labels_of(std::uint32_t group) {
  if (labels[group] == nullptr) {
    store.push_back(grouper.labels_of(group));
    labels[group] = &store.back();
  }
  return labels[group];
}

bool GroupMemory::follow(Side& side, const Origin& origin) {
  if (side.input.of != origin.of) {
    if (origin.list == nullptr || side.input.list == nullptr) return false;
    const auto from = origin.list->grown_from(*side.input.list);
    if (from.empty()) return false;
    std::vector<std::uint32_t> moved(from.size(), kUnknown);
    for (std::size_t i = 0; i < from.size(); ++i) {
      if (from[i] != model::SeriesList::kNewSeries) moved[i] = side.of[from[i]];
    }
    side.of = std::move(moved);
    side.input = {origin.of, origin.list, origin.entries, {}};
  }
  if (side.of.size() < origin.entries) side.of.resize(origin.entries, kUnknown);
  return true;
}

bool GroupMemory::knows(std::size_t side, const Table& table) const {
  for (std::size_t row = 0; row < table.series.size(); ++row) {
    if (sides[side].of[table.origin.entry(row)] == kUnknown) return false;
  }
  return true;
}

std::vector<std::uint32_t> GroupMemory::groups_of(Side& side, const Table& table) {
  std::vector<std::uint32_t> groups(table.series.size());
  for (std::size_t row = 0; row < groups.size(); ++row) {
    std::uint32_t& group = side.of[table.origin.entry(row)];
    if (group == kUnknown) group = grouper.group_of(table.series[row]);
    groups[row] = group;
  }
  labels.resize(grouper.size(), nullptr);
  return groups;
}

namespace {

// Calls `visit` for the expressions directly below.
template <class Visit>
void for_each_child(const Expr& expr, Visit visit) {
  if (const auto* unary = std::get_if<Unary>(&expr.node)) {
    visit(*unary->expr);
  } else if (const auto* binary = std::get_if<Binary>(&expr.node)) {
    visit(*binary->left);
    visit(*binary->right);
  } else if (const auto* aggregation = std::get_if<Aggregation>(&expr.node)) {
    if (aggregation->parameter) visit(*aggregation->parameter);
    visit(*aggregation->expr);
  } else if (const auto* call = std::get_if<Call>(&expr.node)) {
    for (const ExprBox& arg : call->args) visit(*arg);
  } else if (const auto* paren = std::get_if<Paren>(&expr.node)) {
    visit(*paren->expr);
  }
  // The inside of a subquery is evaluated at other times than the rule: nothing to remember.
}

}  // namespace

void Plan::add_children(const Expr& expr) {
  for_each_child(expr, [this](const Expr& child) {
    PlanNode* node = add_node(child);
    if (node != nullptr) ++node->uses;
  });
}

// Returns null for what needs no memory. A node's children are added with the first node of that
// text, so `uses` counts distinct parents; those of later ones are only made known.
PlanNode* Plan::add_node(const Expr& expr) {
  const VectorSelector* selector = std::get_if<VectorSelector>(&expr.node);
  if (const auto* matrix = std::get_if<MatrixSelector>(&expr.node)) selector = &matrix->selector;
  if (expr.type == ValueType::Scalar || expr.type == ValueType::String) {
    add_children(expr);
    return nullptr;
  }
  const std::string text = print(expr);
  if (selector != nullptr) {
    SelectorNode*& known = selectors_by_text_[text];
    if (known == nullptr) known = &selector_store_.emplace_back();
    selectors_[selector] = known;
  }
  if (expr.type != ValueType::InstantVector) {
    add_children(expr);
    return nullptr;
  }
  PlanNode*& known = nodes_by_text_[text];
  const bool fresh = known == nullptr;
  if (fresh) known = &node_store_.emplace_back();
  PlanNode* const node = known;
  nodes_[&expr] = node;
  if (fresh) {
    add_children(expr);
  } else {
    for_each_child(expr, [this](const Expr& child) { add_node(child); });
  }
  return node;
}

void Plan::add(const ExprPtr& expr) {
  exprs_.push_back(expr);
  PlanNode* node = add_node(*expr);
  if (node != nullptr) ++node->uses;
}

PlanNode* Plan::find(const Expr& expr) const {
  const auto at = nodes_.find(&expr);
  return at == nodes_.end() ? nullptr : at->second;
}

SelectorNode* Plan::find(const VectorSelector& selector) const {
  const auto at = selectors_.find(&selector);
  return at == selectors_.end() ? nullptr : at->second;
}

base::Result<QueryResult> Plan::instant(const Expr& expr, base::WallTime at,
                                        const std::function<bool()>& cancelled) {
  return engine_.instant(*this, expr, at, cancelled);
}

void Plan::begin_round() {
  for (PlanNode& node : node_store_) {
    const base::MutexLock lock(node.mutex);
    node.result.reset();
    node.result_memory.reset();
  }
}

}  // namespace tocsin::promql
