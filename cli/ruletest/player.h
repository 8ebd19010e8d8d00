// Rules evaluated over samples in memory: no threads, no timers, no daemon.
//
// Both kinds of rule test drive this; each decides when a group is evaluated. The rules run in the
// very code that pages (ruler::RuleRunner).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "alertd/ruler/memory_store.h"
#include "alertd/ruler/rule_runner.h"
#include "cli/ruletest/history.h"
#include "common/base/result.h"

namespace tocsin::ruletest {

struct PlayerOptions {
  promql::EngineOptions engine;
  model::Labels external_labels;
  std::string external_url;
  model::Severity severity_default = model::Severity::Medium;
};

/// What a rule said about its last evaluation, if that failed.
struct RuleError {
  const ruler::Rule* rule = nullptr;
  base::WallTime at;
  std::string message;
};

/// Owner: one test. `groups` outlive it.
class Player {
 public:
  /// Errors: InvalidArgument (a template does not parse; the readers have refused those).
  static base::Result<std::unique_ptr<Player>> make(const std::vector<ruler::RuleGroup>& groups,
                                                    const PlayerOptions& options);

  /// Adds a sample that arrives now.
  void add(const model::Labels& labels, model::Sample sample) { store_.add(labels, sample); }

  /// Evaluates all rules of a group at `ts` and writes what they give. Appends failures to
  /// `errors`; `history`, if given, is told of every rule, with times since `start`.
  void evaluate(std::size_t group, base::WallTime ts, std::vector<RuleError>& errors,
                History* history = nullptr, base::WallTime start = {});

  /// A new process: the state of every rule is read back from the store. `next` are the times of
  /// each group's next evaluation. Errors: those of RuleRunner::restore().
  base::Result<void> restart(const std::vector<base::WallTime>& next);

  base::Result<promql::QueryResult> query(const promql::Expr& expr, base::WallTime at) const {
    return engine_.instant(store_, expr, at);
  }
  /// Calls `visit(rule, alert)` for every alert in memory, resolved ones too.
  void for_each_alert(
      const std::function<void(const ruler::Rule&, const ruler::ActiveAlert&)>& visit) const;

  const std::vector<ruler::RuleGroup>& groups() const { return groups_; }

 private:
  Player(const std::vector<ruler::RuleGroup>& groups, const PlayerOptions& options);
  base::Result<void> make_runners();

  const std::vector<ruler::RuleGroup>& groups_;
  model::Severity severity_default_;
  ruler::MemoryStore store_;
  promql::Engine engine_;
  ruler::TemplateContext context_;
  std::vector<std::vector<std::unique_ptr<ruler::RuleRunner>>> runners_;  ///< By group.
  std::vector<std::vector<std::string>> keys_;                            ///< rule_key().
};

}  // namespace tocsin::ruletest
