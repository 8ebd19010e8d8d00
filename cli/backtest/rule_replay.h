// One rule, stepped over what its expression gave at each slot: by the daemon's own RuleRunner.
//
// The daemon observes every element at every slot. Here an element that cannot change anything (no
// bound holds, its alert is not active) is left out before any labels are built: that is the
// difference between a minute and a second for a day of two hundred hosts.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "alertd/ruler/memory_store.h"
#include "alertd/ruler/rule_runner.h"
#include "cli/backtest/firing.h"
#include "cli/backtest/slots.h"

namespace tocsin::backtest {

/// Alerts that a rule handed over at one slot.
struct HandOver {
  base::WallTime at;
  std::vector<model::Alert> alerts;
};

/// What became of one rule.
struct RuleResult {
  std::string group;
  std::string source;  ///< file:line
  std::string name;
  bool alerting = true;
  std::size_t evaluations = 0;
  std::size_t failures = 0;  ///< Slots whose evaluation failed; they change no alert.
  std::string first_error;
  base::WallTime first_error_at;
  std::string gave_up;  ///< Why it was not evaluated to the end; empty: it was.
  std::vector<Firing> firings;
};

struct ReplaySettings {
  model::Severity severity_default = model::Severity::Medium;
  base::Duration resend_delay{60'000};  ///< Of the daemon: when receivers forget an alert.
  std::string external_url;
  /// {{ query "..." }} in templates, evaluated at the slot.
  std::function<base::Result<promql::Vector>(const std::string& expr, base::WallTime at)> query;
};

/// Gives what the rule's input (ruler::Rule::input) was at instants; asked only where the rule
/// wants to know, and then for the rest of the portion at once.
using InputRange = std::function<base::Result<promql::Matrix>(const Slots& instants)>;

/// Owner: one thread. Not movable: the runner refers to the context.
class RuleReplay {
 public:
  /// `written`, if not null, gets what the rule writes: its recording, or the series of its alerts.
  /// Errors: InvalidArgument (a template that does not parse).
  static base::Result<std::unique_ptr<RuleReplay>> make(const ruler::Rule& rule,
                                                        const ruler::RuleGroup& group,
                                                        const ReplaySettings& settings,
                                                        ruler::MemoryStore* written);
  RuleReplay(const RuleReplay&) = delete;
  RuleReplay& operator=(const RuleReplay&) = delete;

  /// Steps over `slots`; `matrix` is what a range query of the same slots, earlier by the group's
  /// query offset, gave.
  void feed(const promql::Matrix& matrix, const Slots& slots, const InputRange& input);

  /// Steps over one slot, with what the query gave.
  void step(base::WallTime slot, base::Result<promql::Vector> result,
            const ruler::InputQuery& input);

  /// The rest of the slots is not evaluated.
  void give_up(const std::string& why);

  /// Ends the replay. Returns what fired; and what was handed over, in order of time, goes to the
  /// end of `handed`.
  RuleResult finish(std::vector<HandOver>& handed);

  const ruler::Rule& rule() const { return runner_->rule(); }

 private:
  RuleReplay(const ruler::RuleGroup& group, const ReplaySettings& settings,
             ruler::MemoryStore* written);

  /// One series of the matrix on its way through the slots.
  struct Cursor {
    std::size_t next = 0;
    bool active = false;  ///< Its alert is pending or firing.
  };
  bool may_skip_quiet(const promql::Matrix& matrix, std::vector<model::Labels>& identities) const;
  void mark_active(const std::vector<model::Labels>& identities, std::vector<Cursor>& cursors);
  void write(const std::vector<promql::VectorSample>& samples);

  const base::Duration query_offset_;
  const base::Duration valid_for_;  ///< How long receivers believe an alert that is not repeated.
  ruler::MemoryStore* const written_;
  ruler::TemplateContext context_;
  std::unique_ptr<ruler::RuleRunner> runner_;
  RuleResult result_;
  FiringLog log_;
  std::vector<HandOver> handed_;
  bool changed_ = false;  ///< The last step changed some alert.
};

}  // namespace tocsin::backtest
