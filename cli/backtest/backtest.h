// A backtest: rule sets replayed over the past.
//
//   auto results = run_backtest({candidate, in_force}, *history, settings, progress);
//   const Diff diff = compare(results->front(), results->back());   // diff.h
//
// Rules that ask the same question at the same slots (usually the unchanged ones of both sets)
// share one query. See plan.h for the order, rule_replay.h for what happens at a slot.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "alertd/ruler/rule_model.h"
#include "cli/backtest/history.h"
#include "cli/backtest/rule_replay.h"

namespace tocsin::backtest {

struct Settings {
  base::WallTime from;
  base::WallTime to;
  /// Evaluated so long before `from`, so that what fired then is known to fire.
  base::Duration warm_up{0};
  model::Severity severity_default = model::Severity::Medium;
  base::Duration resend_delay{60'000};
  std::string external_url;
  promql::ParseOptions parse;
};

/// What one rule set would have done in [from, to].
struct SetResult {
  std::vector<RuleResult>
      rules;  ///< In order of the files; firings that end before `from` left out.
  std::vector<HandOver> handed;    ///< In order of time, from the warm-up on.
  std::vector<std::string> notes;  ///< What the reader should know; see docs/backtest.md.

  std::size_t evaluations() const;
  std::size_t firings() const;
};

/// Called now and then; both count evaluations of single rules.
using Progress = std::function<void(std::size_t done, std::size_t total)>;

/// Replays all sets over the same past.
/// Errors: Unavailable (the server does not answer), InvalidArgument (a template). A rule that
/// cannot be evaluated is no error: its result says why.
base::Result<std::vector<SetResult>> run_backtest(
    const std::vector<std::vector<ruler::RuleGroup>>& sets, History& history,
    const Settings& settings, const Progress& progress);

/// Returns the longest time that a rule of the set may take from the first sign to firing and from
/// the last to its end: how long before `from` a backtest should begin.
base::Duration longest_hold(const std::vector<ruler::RuleGroup>& groups);

}  // namespace tocsin::backtest
