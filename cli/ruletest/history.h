// What the alerts of a test did, seen from outside: their states after each evaluation.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "alertd/ruler/alert_state.h"
#include "alertd/ruler/rule_model.h"
#include "cli/ruletest/result.h"
#include "cli/ruletest/selector.h"

namespace tocsin::ruletest {

/// One alert at one moment.
struct SeenAlert {
  model::Labels labels;
  model::Labels annotations;
  ruler::AlertPhase phase = ruler::AlertPhase::Pending;
  model::Severity severity = model::Severity::Medium;
  double value = 0;
};

/// One line for people: `firing Name{a="b"} severity=high value=3`.
std::string describe(const SeenAlert& alert);

/// An alert changed its state or severity.
struct SeenChange {
  enum class State { Pending, Firing, Resolved, Inactive };
  base::Duration at{0};        ///< Of the evaluation, since the start.
  base::Duration interval{0};  ///< Of its rule's group.
  model::Labels labels;
  State state = State::Pending;
  model::Severity severity = model::Severity::Medium;
};

/// Returns "pending", "firing", "resolved" or "inactive".
std::string_view to_string(SeenChange::State state);

/// Identifies a rule over all tests: "file:line", the file's path made plain.
std::string rule_key(const std::string& file, std::size_t line);

/// Owner: one test. Alerts are known by rule and labels.
class History {
 public:
  /// Takes the alerts that a rule has after an evaluation; those not in the list are inactive.
  void observe(const std::string& rule, base::Duration at, base::Duration interval,
               std::vector<SeenAlert> alerts);
  /// Notes that a recording rule gave samples.
  void recorded(const std::string& rule) { traces_[rule].recorded = true; }

  /// All alerts that are pending or firing now.
  std::vector<const SeenAlert*> active() const;
  /// Label sets that fired and do not any more, each once.
  std::vector<model::Labels> resolved() const;
  const std::vector<SeenChange>& changes() const { return changes_; }
  Traces take_traces() { return std::move(traces_); }

 private:
  void change(const std::string& rule, SeenChange change);

  std::map<std::string, std::map<model::Labels, SeenAlert>> now_;
  std::map<model::Labels, SeenChange::State> last_;
  std::vector<SeenChange> changes_;
  Traces traces_;
};

}  // namespace tocsin::ruletest
