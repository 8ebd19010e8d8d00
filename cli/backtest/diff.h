// Two backtests of the same past side by side: what a change of the rules would change.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/backtest/backtest.h"

namespace tocsin::backtest {

enum class ChangeKind {
  New,     ///< Fires only with the rules under test.
  Gone,    ///< Fired only with the rules in force.
  Longer,  ///< Fires in both, longer with the rules under test.
  Shorter,
  Severity,  ///< As long, but with other severities.
  Moved,     ///< As long, but begins and ends at other times.
};

/// Returns "new", "gone", "longer", "shorter", "severity" or "moved".
std::string_view to_string(ChangeKind kind);

/// One difference. Pointers into the two results.
struct Change {
  ChangeKind kind = ChangeKind::New;
  const Firing* now = nullptr;     ///< Of the rules under test; null if gone.
  const Firing* before = nullptr;  ///< Of the rules in force; null if new.
};

/// Differences and firings of one rule, by its name.
struct RuleDiff {
  std::size_t firings = 0;
  std::size_t firings_before = 0;
  base::Duration time{0};
  base::Duration time_before{0};
  std::map<ChangeKind, std::size_t> changes;
};

struct Diff {
  std::vector<Change> changes;  ///< In order of time.
  std::map<std::string, RuleDiff> rules;
};

/// Firings belong together when the labels are the same and the times overlap. Ends are compared up
/// to `tolerance`: groups whose slots differ see the same thing some seconds apart. Both results
/// outlive the diff.
Diff compare(const SetResult& now, const SetResult& before, base::WallTime to,
             base::Duration tolerance);

}  // namespace tocsin::backtest
