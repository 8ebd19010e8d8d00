// Vector matching: which series of one side meet which of the other. Private to binary operators.
#pragma once

#include "alertd/promql/evaluator.h"

namespace tocsin::promql {

/// Returns the operator's result, or absent if a comparison without `bool` does not hold; else
/// `kept`.
double apply_operator(const Binary& node, double left, double right, double kept);

/// `and`, `or`, `unless`. `memory` may be null.
base::Result<Table> match_sets(Evaluator& evaluator, PlanNode* memory, const Binary& node,
                               Table left, Table right);

/// Arithmetic and comparison between two vectors. `memory` may be null.
base::Result<Table> match_vectors(Evaluator& evaluator, PlanNode* memory, const Expr& expr,
                                  Table left, Table right);

/// Returns the grouping that `on` or `ignoring` means.
Grouping grouping_of(const Matching& matching);

/// Numbers the rows of both sides by the labels they are matched on: equal numbers meet. Remembers
/// the numbers in the plan if the origin of both tables is known.
class PairGroups {
 public:
  static constexpr std::size_t kLeft = 0;
  static constexpr std::size_t kRight = 1;

  PairGroups(Evaluator& evaluator, PlanNode* node, const Matching& matching, const Table& left,
             const Table& right);

  /// Returns the group of each row of one of the two tables.
  const std::vector<std::uint32_t>& of(std::size_t side) const { return of_[side]; }
  std::size_t size() const { return memory_->grouper.size(); }
  /// Returns the labels of a group; they last as long as what origin() names.
  const model::Labels* labels_of(std::uint32_t group) { return memory_->labels_of(group); }
  /// Says that rows are groups; not known unless they are remembered.
  Origin origin() const;

 private:
  void number(std::size_t side, const Table& table);

  bool remembered_;
  std::shared_ptr<GroupMemory> memory_;
  std::vector<std::uint32_t> of_[2];
};

}  // namespace tocsin::promql
