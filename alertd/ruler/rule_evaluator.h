// Where the expressions of a group are evaluated: the seam between a group and an engine.
//
// The group knows when its rules are due, in which order, and what becomes of what they gave; the
// evaluator knows what an expression gives. There are two: ours (make_local_evaluator), which
// computes on the calling thread, and that of alertd/datasource, which asks another engine and has
// answered later, on another thread. Everything between, the state machine of alerts above all, is
// RuleRunner's and the same for both. A group makes its evaluator when it is made and keeps it;
// whoever moves groups between daemons need not know which one it is: before start() nothing is
// asked, and after retire() or abandon() no answer is used.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "alertd/ruler/rule_runner.h"
#include "common/base/clock.h"

namespace tocsin::ruler {

/// What a group reads of the time before it was started.
struct PastRequest {
  std::vector<const Rule*> rules;
  base::WallTime begin;    ///< Series ALERTS and ALERTS_FOR_STATE from here on.
  base::WallTime end;      ///< Up to here.
  base::WallTime seen_at;  ///< Inputs (see RuleRunner::restore) are evaluated at this time.
};

/// Owner: one group. Thread: run() of different rules may be called at once, on any thread of the
/// executor; the rest on the group's strand.
class RuleEvaluator {
 public:
  using Cancelled = std::function<bool()>;
  using RunDone = std::function<void(RuleOutcome)>;
  /// What the world refers to is valid until the function returns. An error: the past is not to be
  /// had now, ask again in the next round.
  using PastDone = std::function<void(const base::Result<QueryWorld>& world)>;

  virtual ~RuleEvaluator() = default;

  /// Says which rules there will be, before all else.
  virtual void add(const Rule& rule) { (void)rule; }

  /// Begins a round: what rules share is read anew from now on. Also called when a rule is next
  /// that may read what an earlier one has written.
  virtual void begin_round() {}

  /// Evaluates one rule at `ts` (query and samples at ts - query_offset) and calls `done` exactly
  /// once: before it returns, or later on a thread of the executor. It must not block. When
  /// `cancelled` says true the query ends with an error. The runner is the caller's until `done`.
  virtual void run(RuleRunner& runner, base::WallTime ts, Cancelled cancelled, RunDone done) = 0;

  /// Answers {{ query "..." }} of a template at `now`, while a rule runs; must not block.
  virtual base::Result<promql::Vector> query(const std::string& expr, base::WallTime now) = 0;

  /// Finds what the rules need to go on after a restart, and calls `done` as run() does.
  virtual void past(const PastRequest& request, PastDone done) = 0;
};

/// Makes the evaluator of a group whose RuleGroup::datasource is set; null if there is no
/// such datasource. Thread: any. See RulerWorld::datasources.
using EvaluatorMaker = std::function<std::unique_ptr<RuleEvaluator>(const RuleGroup& group)>;

/// Returns the one that computes here. Engine and source outlive it.
std::unique_ptr<RuleEvaluator> make_local_evaluator(const promql::Engine& engine,
                                                    const model::SeriesSource& source,
                                                    const promql::ParseOptions& parse);

}  // namespace tocsin::ruler
