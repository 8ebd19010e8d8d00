// In which order the rules of a set are worked off, and which of them read one another.
//
// Most rules read only what agents sent: each is one range query, alone, in any order. Rules that
// may read what another rule of the set writes come after it, over its results. Rules that read in
// a circle, themselves, or a later rule of their group see results one slot old, as in the daemon:
// those are evaluated slot by slot, together.
#pragma once

#include <cstddef>
#include <vector>

#include "alertd/ruler/rule_model.h"
#include "cli/backtest/history.h"

namespace tocsin::backtest {

/// A rule of the set by its place: group, then rule.
struct RuleRef {
  std::size_t group = 0;
  std::size_t rule = 0;
  friend auto operator<=>(const RuleRef&, const RuleRef&) = default;
};

/// Rules that are worked off together.
struct Stage {
  std::vector<RuleRef> rules;  ///< One, or several that read in a circle.
  bool reads_rules = false;    ///< It may read what rules of the set write.
  bool slot_by_slot = false;
};

struct Plan {
  std::vector<Stage> stages;  ///< Writers before their readers.
  /// By group and rule: somebody may read what the rule writes.
  std::vector<std::vector<bool>> is_read;
};

Plan make_plan(const std::vector<ruler::RuleGroup>& groups);

/// Returns what evaluating `expr` at instants of [begin, end] may read.
std::vector<Need> needs_of(const promql::Expr& expr, base::WallTime begin, base::WallTime end);

/// Returns whether a range query may give something else than an instant query at each of its
/// steps, because the expression asks for the query's own bounds or step.
bool depends_on_range(const promql::Expr& expr);

}  // namespace tocsin::backtest
