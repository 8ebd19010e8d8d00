#include <algorithm>

#include "alertd/promql/matching.h"

namespace tocsin::promql {

Grouping grouping_of(const Matching& matching) {
  if (matching.on) return {Grouping::Kind::By, sorted_labels(matching.labels, false)};
  return {Grouping::Kind::Without, sorted_labels(matching.labels, true)};
}

// The keys by which groups were found are freed: they would take more memory than all else, and are
// wanted only if a row appears that was never seen. Then all of this node is numbered anew.
PairGroups::PairGroups(Evaluator& evaluator, PlanNode* node, const Matching& matching,
                       const Table& left, const Table& right)
    : remembered_(node != nullptr && left.origin.known() && right.origin.known()) {
  if (remembered_) memory_ = node->groups;
  const bool good = memory_ && GroupMemory::follow(memory_->sides[kLeft], left.origin) &&
                    GroupMemory::follow(memory_->sides[kRight], right.origin) &&
                    memory_->knows(kLeft, left) && memory_->knows(kRight, right);
  if (!good) {
    memory_ = std::make_shared<GroupMemory>(grouping_of(matching), evaluator.delayed());
    memory_->start(kLeft, left.origin);
    memory_->start(kRight, right.origin);
    if (remembered_) node->groups = memory_;
  }
  evaluator.keep_alive(memory_);
  number(kRight, right);
  number(kLeft, left);
  if (!good) memory_->grouper.freeze();
}

void PairGroups::number(std::size_t side, const Table& table) {
  if (remembered_) {
    of_[side] = memory_->groups_of(memory_->sides[side], table);
    return;
  }
  of_[side].reserve(table.series.size());
  for (const SeriesRef& series : table.series) {
    of_[side].push_back(memory_->grouper.group_of(series));
  }
  memory_->labels.resize(memory_->grouper.size(), nullptr);
}

Origin PairGroups::origin() const {
  if (!remembered_) return {};
  return {memory_, nullptr, memory_->grouper.size(), {}};
}

}  // namespace tocsin::promql
