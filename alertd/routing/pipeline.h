// Routing as a pure step function: alerts and the time go in, what to say (and why not) comes out.
//
//   alerts -> route walk -> groups -> turns (group_wait, group_interval) -> decision with a Reason
//
// Nothing here knows incidents, people or channels. Later stages (silence, inhibition, mute times)
// belong between group and decision and return reasons of their own. Timers are data: next_due()
// tells the shell when to call again, and a late call does each overdue turn once. Source:
// shared/reference/routing.md, sections 1 and 6.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "alertd/routing/decision_log.h"
#include "alertd/routing/group.h"
#include "alertd/routing/route.h"

namespace tocsin::routing {

/// Bounds of what is kept in memory. Known alerts go on when a limit is reached; new ones are
/// refused.
struct PipelineLimits {
  std::size_t alerts_max = 100'000;
  /// Beyond it, alerts of a route gather in one overflow group for the route: noise is better than
  /// loss.
  std::size_t groups_max = 20'000;
};

/// One decision that leaves the pipeline.
struct Action {
  std::string group_key;  ///< Empty for a refused alert.
  bool send = false;
  Reason reason = Reason::Unchanged;
  Fingerprint alert = 0;  ///< For decisions about one alert; else 0.
  /// Only if `send`: the group as it is told of. Resolved: those told of as firing before.
  Group group;
  std::vector<model::Alert> firing;
  std::vector<model::Alert> resolved;
};

/// Keys of what changed in a way that must survive a restart.
struct Dirty {
  std::set<Fingerprint> alerts;  ///< Also those that are gone now.
  std::set<std::string> groups;  ///< Also those that are gone now.
};

/// Why an alert is where it is.
struct Explanation {
  std::vector<RouteStep> walk;
  struct InGroup {
    std::string group_key;
    std::string route;
    std::string receiver;
    bool exists = false;
    std::optional<base::WallTime> next_turn;
    std::vector<Decision> decisions;
  };
  std::vector<InGroup> groups;
  std::vector<Decision> refusals;  ///< Of the alert itself.
};

/// Pure apart from its own tables. Owner: one thread (the engine's).
class Pipeline {
 public:
  Pipeline(Routing routing, PipelineLimits limits);

  /// Takes the alerts in, then does everything that is due at `now`.
  ///
  /// `now` may go back (a clock that was set): turns that are then too far away are moved near.
  /// Returns every decision, in a deterministic order.
  std::vector<Action> step(base::WallTime now, std::span<const model::Alert> alerts);

  /// Returns when step() has something to do without any new alert; nullopt: never.
  std::optional<base::WallTime> next_due() const;

  /// Takes stored state back. Alerts keep until `grace_until` at least, and repeats are held so
  /// long: the senders must have had time to say what still fires.
  void restore(std::vector<model::Alert> alerts, std::vector<Group> groups, base::WallTime now,
               base::WallTime grace_until);

  /// After a jump of the clock: no alert times out before `grace_until`.
  void hold_timeouts(base::WallTime grace_until);

  /// New configuration. Groups of routes that go on under the same name are kept as they are;
  /// alerts that now belong elsewhere move, and the old group is told that they are resolved there.
  void set_routing(Routing routing, base::WallTime now);

  /// Stops or resumes repeats of a group; unknown keys are ignored.
  void hold_repeats(const std::string& group_key, bool hold);

  /// Starts the repeat interval anew: the incident has just said everything itself.
  void mark_told(const std::string& group_key, base::WallTime now);

  const Group* find_group(const std::string& key) const;
  const AlertEntry* find_alert(Fingerprint fingerprint) const;
  const std::unordered_map<Fingerprint, AlertEntry>& alerts() const { return alerts_; }
  const std::unordered_map<std::string, Group>& groups() const { return groups_; }
  const Routing& routing() const { return routing_; }

  /// Returns and forgets what changed since the last call.
  Dirty take_dirty();

  Explanation explain(const model::Alert& alert) const;
  /// Returns the last decision about a group; nullopt if none is kept.
  std::optional<Decision> last_decision(const std::string& group_key) const {
    return decisions_.last(group_key);
  }

 private:
  using Touched = std::set<std::string>;

  void take_in(const model::Alert& alert, base::WallTime now, Touched& touched);
  bool refuse(const model::Alert& alert, bool resolved, const AlertEntry* known,
              base::WallTime now);
  void merge(AlertEntry& entry, const model::Alert& alert, bool resolved);
  void resolve(Fingerprint fingerprint, base::WallTime at, Touched& touched);
  void place(Fingerprint fingerprint, AlertEntry& entry, base::WallTime now, Touched& touched);
  Group& group_for(const Route& route, const model::Alert& alert, base::WallTime now);
  void join(Group& group, Fingerprint fingerprint, const AlertEntry& entry, base::WallTime now);
  void leave(const std::string& key, Fingerprint fingerprint, base::WallTime now);
  void refresh(Group& group, base::WallTime now);
  void time_out(base::WallTime now, Touched& touched);
  void take_turn(Group& group, base::WallTime now);
  void drop_resolved(Group& group);
  void clamp_turns(base::WallTime now);
  void set_expiry(Fingerprint fingerprint, AlertEntry& entry);
  void index(Group& group);
  void record(Action action, base::WallTime now, std::string text);
  std::optional<base::WallTime> due(const Group& group) const;
  Timing timing(const Group& group) const;

  Routing routing_;
  PipelineLimits limits_;
  std::unordered_map<Fingerprint, AlertEntry> alerts_;
  std::unordered_map<std::string, Group> groups_;
  std::set<std::pair<base::WallTime, Fingerprint>> expiries_;  ///< Of firing alerts.
  std::set<std::pair<base::WallTime, std::string>> turns_;
  std::unordered_map<std::string, base::WallTime> turn_of_;  ///< What turns_ holds for a group.
  base::WallTime grace_until_{};
  base::WallTime last_now_{};
  Dirty dirty_;
  std::vector<Action> actions_;  ///< Of the step that runs.
  DecisionLog decisions_;
};

}  // namespace tocsin::routing
