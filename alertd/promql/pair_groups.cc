#include <algorithm>

#include "alertd/promql/matching.h"

namespace tocsin::promql {

Grouping grouping_of(const Matching& matching) {
  if (matching.on) return {Grouping::Kind::By, sorted_labels(matching.labels, false)};
  return {Grouping::Kind::Without, sorted_labels(matching.labels, true)};
}

PairGroups::PairGroups(Evaluator& evaluator, PlanNode* node, const Matching& matching,
                       const Table& left, const Table& right)
    : remembered_(node != nullptr && left.origin.known() && right.origin.known()) {
  if (remembered_) memory_ = node->groups;
  if (memory_ && GroupMemory::follow(memory_->sides[kLeft], left.origin) &&
      GroupMemory::follow(memory_->sides[kRight], right.origin)) {
    evaluator.keep_alive(memory_);
    return;
  }
  memory_ = std::make_shared<GroupMemory>(grouping_of(matching), evaluator.delayed());
  evaluator.keep_alive(memory_);
  if (!remembered_) return;
  memory_->start(kLeft, left.origin);
  memory_->start(kRight, right.origin);
  node->groups = memory_;
}

std::vector<std::uint32_t> PairGroups::of(std::size_t side, const Table& table) {
  if (remembered_) return memory_->groups_of(memory_->sides[side], table);
  std::vector<std::uint32_t> groups;
  groups.reserve(table.series.size());
  for (const SeriesRef& series : table.series) {
    groups.push_back(memory_->grouper.group_of(series));
  }
  memory_->labels.resize(memory_->grouper.size(), nullptr);
  return groups;
}

Origin PairGroups::origin() const {
  if (!remembered_) return {};
  return {memory_, nullptr, memory_->grouper.size(), {}};
}

}  // namespace tocsin::promql
