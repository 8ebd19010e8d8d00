// The state machine of one alerting rule: when an alert is pending, firing, how severe, and when it
// ends.
//
// Pure: no clock, no query, no template. The shell (rule_runner.h) evaluates the expression,
// expands the labels, calls step() and expands the annotations of what is active afterwards.
//
// Levels. A level is *entered* when its bound held for its `for`. Going up needs that `for`; coming
// down does not: an alert that leaves its level falls to the highest lower level whose bound still
// holds, at once, because bounds are nested and so that one held all along. A level is left when
// its bound no longer holds (after keep_firing_for). When no level is left, the alert resolves,
// unless `clear` is given and does not hold yet: then it goes on firing at its lowest level.
// Severity is not part of the identity.
//
// Sources: Prometheus' documented semantics of `for`, `keep_firing_for` and restart.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "alertd/ruler/rule_model.h"
#include "common/base/result.h"
#include "common/base/time.h"
#include "common/model/labels.h"

namespace tocsin::ruler {

/// The label that marks the alert about a label set that vanished.
inline constexpr std::string_view kNoDataLabel = "no_data";

enum class AlertPhase { Inactive, Pending, Firing };

/// Returns "inactive", "pending" or "firing".
std::string_view to_string(AlertPhase phase);

/// One element of the rule's result, with the alert's identity already built.
struct Observation {
  model::Labels labels;         ///< Identity: result and rule labels, with alertname.
  model::Labels result_labels;  ///< As the expression returned them; for templates.
  double value = 0;
  model::Severity severity = model::Severity::Medium;  ///< Plain alerts: from the labels.
};

/// One label set that a plain alert's condition looks at, met or not; see input_expr.h.
struct InputElement {
  model::Labels key;       ///< The identity of its alert, without templated labels.
  model::Labels identity;  ///< With them; empty if the rule has none.
};

/// One alert of the rule.
struct ActiveAlert {
  model::Labels labels;
  model::Labels result_labels;
  model::Labels annotations;  ///< Filled in by the shell.
  double value = 0;
  AlertPhase phase = AlertPhase::Pending;
  model::Severity severity = model::Severity::Medium;
  base::WallTime active_at;  ///< Since when a bound holds.
  base::WallTime last_seen;  ///< The last step whose result had it.
  std::optional<base::WallTime> fired_at;
  std::optional<base::WallTime> resolved_at;
  std::optional<base::WallTime> no_data_since;
  std::optional<base::WallTime> last_sent_at;  ///< Kept by the shell.
  model::Severity sent_severity = model::Severity::Low;
  bool no_data_alert = false;  ///< The alert that tells of a vanished label set.

  struct LevelState {
    std::optional<base::WallTime> since;  ///< The bound holds since then.
    std::optional<base::WallTime> left;   ///< Entered, but the bound does not hold since then.
    bool entered = false;
  };
  std::array<LevelState, 4> levels;  ///< By index into the rule's levels.
  int top = -1;  ///< Index of the level that gives the severity; -1 while pending.
};

/// What changed in one step.
enum class AlertChange { Pending, Firing, Raised, Lowered, BackToPending, Resolved, Dropped };

/// Returns "pending", "firing", "raised", "lowered", "back_to_pending", "resolved" or "dropped".
std::string_view to_string(AlertChange change);

struct AlertEvent {
  AlertChange change = AlertChange::Pending;
  model::Labels labels;
  double value = 0;
  model::Severity severity = model::Severity::Medium;
};

/// What the series ALERTS and ALERTS_FOR_STATE say of one alert before a restart.
struct Remembered {
  std::array<std::optional<base::WallTime>, 4> since;  ///< By level.
  int firing_level = -1;                               ///< -1: it was pending.
  base::WallTime down_at;                              ///< The last evaluation that wrote them.
  model::Labels labels;                                ///< Identity.
};

/// A label set that had vanished before a restart, and was told of.
struct Vanished {
  model::Labels labels;  ///< Of the alert about it.
  base::WallTime since;
  base::WallTime down_at;
};

struct AlertStateOptions {
  std::size_t limit = 0;                  ///< Pending and firing alerts; 0 is no limit.
  base::Duration restore_grace{600'000};  ///< A `for` shorter than this is not restored.
  /// How long after a start alerts from before it may still continue, at least two steps: longer
  /// than senders pause between two tries, because what they held back must arrive first.
  base::Duration restore_window{60'000};
  base::Duration resolved_keep{900'000};      ///< Resolved alerts stay that long, to be sent again.
  base::Duration no_data_after{300'000};      ///< Gone from the result for that long is "no data".
  base::Duration no_data_forget{86'400'000};  ///< Then a vanished label set is forgotten.
  /// Label sets of one rule that are watched; of further ones the vanishing is not noticed.
  std::size_t no_data_watched_max = 200'000;
  std::vector<std::string> templated;  ///< Names of the rule's labels that are templates.
};

/// Alerts of one rule. Owner: the rule group's strand. Copyable, which is how a reload keeps state.
class AlertState {
 public:
  AlertState(std::vector<Level> levels, std::optional<Bound> clear, NoData no_data,
             const AlertStateOptions& options);

  /// Advances the rule to `now`. The only place where alerts change state.
  ///
  /// `result` holds one element per element of the rule's result vector at `now`; `now` must not
  /// decrease between calls, see shift(). `input`, for plain alerts, is what the condition looked
  /// at, if wants_input() asked for it; without it every label set counts as being there.
  /// Returns the changes in label order, at most one per label set.
  /// Errors: InvalidArgument (two elements with the same labels; nothing changes), LimitExceeded
  /// (more active alerts than the limit; all alerts are then forgotten).
  base::Result<std::vector<AlertEvent>> step(base::WallTime now,
                                             std::span<const Observation> result,
                                             const std::vector<InputElement>* input = nullptr);

  /// Returns whether step() needs the input of a plain alert: an alert is missing from the result
  /// and it matters why, or it is time to look for label sets that vanished.
  bool wants_input(base::WallTime now, std::span<const Observation> result) const;

  /// Gives what was read back after a restart, before the first step. An alert that appears within
  /// options.restore_window (and at least two steps) continues what is remembered of it; after that
  /// the rest is forgotten, but that a firing alert whose keep_firing_for has not passed goes on
  /// firing. `key` of the map is the identity without the labels that `templated` names.
  void remember(std::map<model::Labels, Remembered> remembered, std::vector<std::string> templated);

  /// Gives what is known of the rule's input before a restart at `now`: the label sets that were
  /// seen last at `seen_at`, and those that had vanished before. Before the first step. Nothing new
  /// is told of as vanished before no_data_after has passed: senders come back one after another.
  void remember_input(base::WallTime now, base::WallTime seen_at,
                      std::span<const InputElement> seen, std::span<const Vanished> vanished);

  /// Forgets vanished label sets whose labels `gone` accepts: somebody says that they do not come
  /// back. Their alerts resolve at `now`; returns what changed.
  std::vector<AlertEvent> forget(base::WallTime now,
                                 const std::function<bool(const model::Labels&)>& gone);

  /// As forget() for all label sets with this label, which also are not watched any more for
  /// no_data_forget, or until welcome(): what they sent last is still in the windows of queries.
  std::vector<AlertEvent> forget_owner(base::WallTime now, const model::LabelView& owner);
  void welcome(const model::LabelView& owner);

  /// Returns the next time at which an alert changes although its values stay: a `for` or a
  /// keep_firing_for ends.
  std::optional<base::WallTime> next_due() const;

  /// Moves every remembered time by `by`: the wall clock was stepped, and a step is not a duration.
  void shift(base::Duration by);

  /// Takes over the alerts of the same rule before a reload. Levels are matched by severity.
  void take_over(const AlertState& old);

  std::map<model::Labels, ActiveAlert>& alerts() { return alerts_; }
  const std::map<model::Labels, ActiveAlert>& alerts() const { return alerts_; }
  const std::vector<Level>& levels() const { return levels_; }
  /// Returns whether alerts from before a restart may still continue.
  bool restoring() const { return restoring_; }
  bool levelled() const { return levels_.front().bound.has_value(); }
  NoData no_data() const { return no_data_; }
  /// Returns how many label sets the last look left out, see no_data_watched_max.
  std::size_t unwatched() const { return unwatched_; }
  /// Returns the labels without templated ones, which may change with the value.
  model::Labels key_of(const model::Labels& labels) const;

  /// Returns whether step() may be spared an element beyond no level's bound (see beyond()) whose
  /// alert is not active: it would change nothing. A backtest steps over thousands of those.
  bool may_skip_quiet() const { return no_data_ != NoData::Alert && !restoring_; }
  /// Returns whether the bound of some level holds for the value.
  bool beyond(double value) const;

 private:
  friend class AlertStateCodec;  // shared_state.cc
  struct Seen {
    base::WallTime last;
    model::Labels identity;  ///< With templated labels; empty if the rule has none.
    int misses = 0;          ///< Looks in a row that did not find it.
    model::Labels raised;    ///< The labels of the alert about its absence; empty: none.
  };
  using Events = std::vector<AlertEvent>;
  using Keys = std::unordered_set<model::Labels>;

  void observe(base::WallTime now, const Observation& observation, Events& events);
  bool adopt(ActiveAlert& alert, base::WallTime now, const std::array<bool, 4>& holds);
  void advance(ActiveAlert& alert, base::WallTime now, const std::array<bool, 4>& holds,
               Events& events);
  void update_levels(ActiveAlert& alert, base::WallTime now,
                     const std::array<bool, 4>& holds) const;
  bool missing(ActiveAlert& alert, base::WallTime now, Events& events);
  void resolve(ActiveAlert& alert, base::WallTime now, Events& events) const;
  /// The input of this step as keys; nullopt: nothing is known of it, or nobody asks.
  std::optional<Keys> present_keys(base::WallTime now, std::span<const Observation> result,
                                   const std::vector<InputElement>* input) const;
  std::size_t count_active() const;
  bool has_input(const model::Labels& labels) const;
  void note_input(base::WallTime now, const model::Labels& key, const model::Labels& identity);
  void watch_no_data(base::WallTime now, Events& events);
  bool look_due(base::WallTime now) const;
  /// Between two looks: a label set whose absence was told of is back.
  void watch_returned(base::WallTime now, std::span<const Observation* const> result,
                      Events& events);
  bool active(const model::Labels& key) const;
  void raise_no_data(const model::Labels& key, Seen& seen, base::WallTime now, Events& events);
  void end_no_data(Seen& seen, base::WallTime now, Events& events);
  ActiveAlert& insert_no_data(const model::Labels& labels, base::WallTime since,
                              base::WallTime fired_at);
  void end_restore(base::WallTime now, Events& events);

  std::vector<Level> levels_;
  std::optional<Bound> clear_;
  NoData no_data_;
  AlertStateOptions options_;
  std::map<model::Labels, ActiveAlert> alerts_;
  std::map<model::Labels, Seen> seen_;  // by key; only with NoData::Alert
  std::optional<Keys> present_;         // during a step
  std::optional<base::WallTime> last_look_;
  std::optional<base::WallTime> quiet_until_;                               // after a restart
  std::map<std::pair<std::string, std::string>, base::WallTime> departed_;  // label -> until
  std::size_t unwatched_ = 0;
  std::map<model::Labels, Remembered> remembered_;
  bool restoring_ = false;
  int restore_steps_left_ = 0;
  std::optional<base::WallTime> restore_began_;  ///< The first step after remember().
};

}  // namespace tocsin::ruler
