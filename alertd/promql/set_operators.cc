// `and`, `or`, `unless`: presence decides, step by step.
#include <algorithm>

#include "alertd/promql/matching.h"

namespace tocsin::promql {
namespace {

// For every group and step: does the table have a value?
class Presence {
 public:
  Presence(const Table& table, Grouper& grouper) : steps_(table.steps) {
    for (std::size_t i = 0; i < table.series.size(); ++i) {
      const std::uint32_t group = grouper.group_of(table.series[i]);
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
void keep_where(Table& table, Grouper& grouper, const Presence& other, bool wanted) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < table.series.size(); ++i) {
    const std::uint32_t group = grouper.group_of(table.series[i]);
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
  }
  table.series.resize(kept);
  table.cells.resize(kept * table.steps);
}

}  // namespace

Grouping grouping_of(const Matching& matching) {
  if (matching.on) return {Grouping::Kind::By, sorted_labels(matching.labels, false)};
  return {Grouping::Kind::Without, sorted_labels(matching.labels, true)};
}

base::Result<Table> match_sets(Evaluator& evaluator, const Binary& node, Table left, Table right) {
  Grouper grouper(grouping_of(node.matching), evaluator.delayed());
  if (node.op != BinaryOp::Or) {
    const Presence other(right, grouper);
    keep_where(left, grouper, other, node.op == BinaryOp::And);
    return left;
  }
  const Presence other(left, grouper);
  keep_where(right, grouper, other, false);
  left.series.insert(left.series.end(), right.series.begin(), right.series.end());
  left.cells.insert(left.cells.end(), right.cells.begin(), right.cells.end());
  left.distinct_without_name = false;
  TC_TRY(left.charge.grow(evaluator.budget(), right.cells.size()));
  TC_TRY(merge_equal_series(left, evaluator.delayed(), false));
  return left;
}

}  // namespace tocsin::promql
