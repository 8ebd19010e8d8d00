// What a set of rules remembers from one evaluation to the next, and shares within one.
//
// Evaluating a rule anew means finding its series, hashing their labels into groups and decoding
// windows that mostly were there fifteen seconds ago. A plan keeps what does not change: selectors
// prepared by the source, the group of each series of a list, the partner of each row in vector
// matching. Expressions are cut into distinct subexpressions by their printed form; one that
// several rules share (`X > 80` and `X > 95`) is evaluated once in a round. Results are those of
// Engine::instant bit by bit; plan_test.cc and the conformance runner hold that.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "alertd/promql/engine.h"
#include "alertd/promql/table.h"
#include "common/base/mutex.h"

namespace tocsin::promql {

struct VectorSelector;

/// Which group each entry of one known list of series is in; `input` says which list. Also the list
/// of the groups itself, for whoever groups them further.
struct GroupMemory {
  static constexpr std::uint32_t kUnknown = 0xffffffff;
  GroupMemory(Grouping grouping, bool delayed) : grouper(std::move(grouping), delayed) {}

  struct Side {
    Origin input;  ///< Its rows are not used.
    std::vector<std::uint32_t> of;
  };
  void start(std::size_t side, const Origin& origin);
  /// Returns the labels of a group: at the same place as long as this object lives.
  const model::Labels* labels_of(std::uint32_t group);
  /// Makes room for the entries of `origin`; false if what is remembered is of another list.
  static bool follow(Side& side, const Origin& origin);
  /// Returns whether the group of every row of `table` is known.
  bool knows(std::size_t side, const Table& table) const;
  /// Returns the group of each row of `table`, whose origin is that of `side`.
  std::vector<std::uint32_t> groups_of(Side& side, const Table& table);

  Side sides[2];  ///< An aggregation has one.
  Grouper grouper;
  std::vector<const model::Labels*> labels;  ///< Of each group; null until wanted.
  std::deque<model::Labels> store;
};

/// What a query's tables point to; kept as long as a shared result needs it. The query appends, all
/// others only keep it alive. It points to nothing shared itself, so there are no circles.
struct QueryMemory {
  std::deque<model::Labels> labels;
  std::vector<std::unique_ptr<model::SeriesSet>> sets;
};

/// Everything that a table may point to; not changed once it is shared.
using KeptAlive = std::vector<std::shared_ptr<const void>>;

/// A distinct subexpression. The mutex is held while it is evaluated, so that rules which run at
/// the same time evaluate it once, and guards all but `uses`; locks are taken from parents to
/// children.
struct PlanNode {
  base::Mutex mutex;
  std::uint32_t uses = 0;  ///< Distinct parents, and rules that are this expression.
  std::shared_ptr<GroupMemory> groups;
  std::unique_ptr<const Table> result;
  std::int64_t result_at_ms = 0;
  std::shared_ptr<const KeptAlive> result_memory;
};

/// A distinct selector. The mutex is held while it is read, and guards the rest.
struct SelectorNode {
  base::Mutex mutex;
  bool asked = false;
  std::unique_ptr<model::PreparedSelector> prepared;  ///< Null once asked: not offered.
};

/// Usage: add() every rule's expression, then in each round instant() for each rule in any order.
/// Engine and source outlive it. Thread: add() before all else by one; then any, also at once.
class Plan {
 public:
  Plan(const Engine& engine, const model::SeriesSource& source)
      : engine_(engine), source_(source) {}

  /// Adds an expression. Its text may be that of one that is there already.
  void add(const ExprPtr& expr);

  /// As Engine::instant for an expression that was added (else without memory). Within a round a
  /// subexpression that rules share is read once: later rules may see the data of the first.
  base::Result<QueryResult> instant(const Expr& expr, base::WallTime at,
                                    const std::function<bool()>& cancelled = {});

  /// Begins a round: results that are shared from now on are read from now on. Call it before a
  /// rule that may read what an earlier one has written, and after the last one, to free memory.
  void begin_round();

  const model::SeriesSource& source() const { return source_; }
  /// Returns the memory of a node, or null.
  PlanNode* find(const Expr& expr) const;
  SelectorNode* find(const VectorSelector& selector) const;

 private:
  PlanNode* add_node(const Expr& expr);
  void add_children(const Expr& expr);

  const Engine& engine_;
  const model::SeriesSource& source_;
  std::vector<ExprPtr> exprs_;
  std::deque<PlanNode> node_store_;
  std::deque<SelectorNode> selector_store_;
  std::unordered_map<std::string, PlanNode*> nodes_by_text_;
  std::unordered_map<std::string, SelectorNode*> selectors_by_text_;
  std::unordered_map<const Expr*, PlanNode*> nodes_;
  std::unordered_map<const VectorSelector*, SelectorNode*> selectors_;
};

}  // namespace tocsin::promql
