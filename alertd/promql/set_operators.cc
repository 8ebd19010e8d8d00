// `and`, `or`, `unless`: presence decides, step by step.
#include <algorithm>

#include "alertd/promql/matching.h"

namespace tocsin::promql {
namespace {

// For every group and step: does the table have a value?
class Presence {
 public:
  Presence(const Table& table, std::span<const std::uint32_t> groups) : steps_(table.steps) {
    for (std::size_t i = 0; i < table.series.size(); ++i) {
      const std::uint32_t group = groups[i];
      if (present_.size() < (group + 1) * steps_) present_.resize((group + 1) * steps_, 0);
      const std::span<const double> row = table.row(i);
      for (std::size_t step = 0; step < steps_; ++step) {
        if (!is_absent(row[step])) present_[group * steps_ + step] = 1;
      }
    }
  }

  bool at(std::uint32_t group, std::size_t step) const {
    const std::size_t index = group * steps_ + step;
    return index < present_.size() && present_[index] != 0;
  }

 private:
  std::size_t steps_;
  std::vector<std::uint8_t> present_;
};

// Empties the cells whose group's presence is not `wanted`, then drops empty rows.
void keep_where(Table& table, std::span<const std::uint32_t> groups, const Presence& other,
                bool wanted) {
  std::size_t kept = 0;
  std::vector<std::uint32_t> entries;
  for (std::size_t i = 0; i < table.series.size(); ++i) {
    const std::uint32_t group = groups[i];
    const std::span<double> row = table.row(i);
    bool any = false;
    for (std::size_t step = 0; step < table.steps; ++step) {
      if (other.at(group, step) != wanted) row[step] = absent_value();
      any = any || !is_absent(row[step]);
    }
    if (!any) continue;
    if (kept != i) {
      table.series[kept] = table.series[i];
      std::ranges::copy(row, table.row(kept).begin());
    }
    ++kept;
    if (table.origin.known()) entries.push_back(table.origin.entry(i));
  }
  if (kept < table.series.size()) table.origin.rows = std::move(entries);
  table.series.resize(kept);
  table.cells.resize(kept * table.steps);
}

}  // namespace

base::Result<Table> match_sets(Evaluator& evaluator, PlanNode* memory, const Binary& node,
                               Table left, Table right) {
  PairGroups groups(evaluator, memory, node.matching, left, right);
  const std::vector<std::uint32_t>& left_groups = groups.of(PairGroups::kLeft);
  const std::vector<std::uint32_t>& right_groups = groups.of(PairGroups::kRight);
  if (node.op != BinaryOp::Or) {
    const Presence other(right, right_groups);
    keep_where(left, left_groups, other, node.op == BinaryOp::And);
    return left;
  }
  const Presence other(left, left_groups);
  keep_where(right, right_groups, other, false);
  left.origin = {};
  left.series.insert(left.series.end(), right.series.begin(), right.series.end());
  left.cells.insert(left.cells.end(), right.cells.begin(), right.cells.end());
  left.distinct_without_name = false;
  TC_TRY(left.charge.grow(evaluator.budget(), right.cells.size()));
  TC_TRY(merge_equal_series(left, evaluator.delayed(), false));
  return left;
}

}  // namespace tocsin::promql
