// Routing as a pure step function: alerts and the time go in, what to say (and why not) comes out.
//
//   alerts -> route walk -> groups -> suppression -> turns (group_wait, group_interval)
//          -> decision with a Reason
//
// Two ways to decide over the same groups. Ours: one log for each group, what is hidden comes out
// the moment nothing hides it any more. Alertmanager's: a log for each integration, decided at the
// group's ticks only (pipeline_alertmanager.cc). Nothing here knows incidents or people. Timers are
// data: next_due() tells the shell when to call again, and a late call does each overdue turn once.
// Source: shared/reference/routing.md, sections 1 and 6.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "alertd/routing/edit.h"
#include "alertd/routing/expiries.h"
#include "alertd/routing/flapping.h"
#include "alertd/routing/group_table.h"
#include "alertd/routing/notify_log.h"
#include "alertd/routing/pipeline_values.h"
#include "alertd/routing/routing.h"
#include "alertd/routing/turn_queue.h"

namespace tocsin::routing {

/// Pure apart from its own tables. Owner: one thread (the engine's).
class Pipeline {
 public:
  Pipeline(Routing routing, PipelineLimits limits);
  // Its tables hold pointers into its routing.
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  /// Takes the alerts in, then does everything that is due at `now`.
  ///
  /// `now` may go back (a clock that was set): turns that are then too far away are moved near.
  /// Returns every decision, in a deterministic order.
  std::vector<Action> step(base::WallTime now, std::span<const model::Alert> alerts);

  /// Returns the groups about which anything may have changed in the last step(), also those that
  /// are over since, which are valid until take_dirty(); a group may come twice.
  const std::vector<const Group*>& touched() const { return indexed_; }

  /// Changes silences, maintenance or the log; what follows from it is decided by the next step(),
  /// which must come at the same `now`. Returns the edit's answer, see edit.h.
  base::Result<std::string> apply(const Edit& edit, base::WallTime now);

  /// Returns what a silence with these matchers would hide now.
  SilencePreview preview(const std::vector<MatcherSet>& sets) const;

  /// Returns when step() has something to do without any new alert; nullopt: never.
  std::optional<base::WallTime> next_due() const;

  /// Takes stored state back. Alerts keep until `grace_until` at least, and repeats are held so
  /// long: the senders must have had time to say what still fires.
  void restore(StoredRouting stored, base::WallTime now, base::WallTime grace_until);

  /// After a jump of the clock: no alert times out before `grace_until`.
  void hold_timeouts(base::WallTime grace_until);

  /// New configuration. Groups of routes that go on under the same name are kept as they are;
  /// alerts that now belong elsewhere move, and the old group is told that they are resolved there.
  void set_routing(Routing routing, base::WallTime now);

  /// Alertmanager's mode, one of several peers: how long after a tick the log is asked, so that
  /// peers before this one have told and said so. What is told of is still what was at the tick.
  void set_peer_wait(base::Duration wait);

  /// Stops or resumes repeats of a group; unknown keys are ignored.
  void hold_repeats(std::string_view group_key, bool hold);

  /// The group's next turn speaks, for this reason, if something fires then that is not hidden; it
  /// comes as soon as something does.
  void speak_again(std::string_view group_key, Reason reason, base::WallTime now);

  /// Starts the repeat interval anew: the incident has just said everything itself.
  void mark_told(std::string_view group_key, base::WallTime now);

  /// Likewise of an incident that was said to be over: what is hidden now was not told again, so it
  /// is news when nothing hides it. Alertmanager's mode: as mark_told().
  void mark_told_anew(std::string_view group_key, base::WallTime now);

  /// What was told to fire and is over was now told to be over, though it is not the group's turn:
  /// when it fires again, that is news. Alertmanager's mode: nothing.
  void mark_over(std::string_view group_key);

  const Group* find_group(std::string_view key) const;
  const AlertEntry* find_alert(Fingerprint fingerprint) const;
  const AlertTable& alerts() const { return alerts_; }
  const GroupTable& groups() const { return groups_; }
  const Routing& routing() const { return routing_; }
  const Silences& silences() const { return silences_; }
  const Maintenances& maintenances() const { return maintenances_; }
  const NotifyLogs& notify_logs() const { return logs_; }
  /// Returns the route of that name or nullptr.
  const Route* route(std::string_view name) const;

  /// Returns and forgets what changed since the last call. Groups that are over are gone then.
  Dirty take_dirty();
  /// Returns and forgets what happened between decisions since the last call.
  std::vector<Aside> take_asides() { return std::exchange(asides_, {}); }

  Explanation explain(const model::Alert& alert) const;

 private:
  /// The groups that the step that runs has to look at, in the order in which that was noted.
  class Touched {
   public:
    Touched() = default;
    Touched(const Touched&) = delete;
    Touched& operator=(const Touched&) = delete;
    ~Touched() {
      for (Group* group : groups_) group->touched = false;
    }
    void add(Group& group) {
      if (!std::exchange(group.touched, true)) groups_.push_back(&group);
    }
    const std::vector<Group*>& groups() const { return groups_; }

   private:
    std::vector<Group*> groups_;
  };
  /// A route, and its names as its groups share them.
  struct Configured {
    const Route* route = nullptr;
    base::SharedText name;
    base::SharedText receiver;
  };
  struct Frozen {
    base::WallTime ticked_at;
    Batch batch;
  };
  struct Interval {
    TimeInterval interval;
    bool inside = false;
    base::WallTime seen_at{};
    base::WallTime next_change{};
  };

  // ---- alerts come in (pipeline.cc)
  void take_in(const model::Alert& alert, base::WallTime now, Touched& touched);
  void take_in_alertmanager(const model::Alert& alert, base::WallTime now, Touched& touched);
  bool refuse(const model::Alert& alert, bool resolved, const AlertEntry* known);
  bool no_room_for(const model::Alert& alert) const;
  void merge(AlertEntry& entry, const model::Alert& alert, bool resolved);
  void resolve(AlertEntry& entry, base::WallTime at, Touched& touched);
  bool change(AlertEntry& entry, base::WallTime now);
  void place(AlertEntry& entry, base::WallTime now, Touched& touched);
  Group& group_for(const Route& route, const model::Alert& alert, base::WallTime now);
  void join(Group& group, AlertEntry& entry, base::WallTime now);
  static Member& link(Group& group, AlertEntry& entry);
  void leave(AlertEntry::Place place, base::WallTime now);
  void time_out(base::WallTime now, Touched& touched);
  void set_expiry(AlertEntry& entry);

  // ---- what hides them (pipeline_suppression.cc)
  AlertLabels labels(const model::Alert& alert) const {
    return AlertLabels(alert, routing_.severity_label());
  }
  void advance_suppression(base::WallTime now, Touched& touched);
  void silences_changed(const std::vector<std::string>& ids, base::WallTime now, Touched& touched);
  void maintenance_changed(const Maintenances::Changes& changes, base::WallTime now,
                           Touched& touched);
  void intervals_changed(base::WallTime now);
  void calm_down(base::WallTime now, Touched& touched);
  void end_silences_of_resolved(base::WallTime now, Touched& touched);
  void remind_of_silences(base::WallTime now);
  void plan_reminder();
  Suppression suppression_of(const model::Alert& alert) const;
  void hide(AlertEntry& entry, base::WallTime now, Touched& touched);
  void hide(std::span<const Fingerprint> alerts, base::WallTime now, Touched& touched);
  void hide_all(base::WallTime now, Touched& touched);
  void inhibit(const AlertEntry& entry, base::WallTime now, Touched& touched);
  void unhide_others(const AlertEntry& entry, base::WallTime now, Touched& touched);
  void force(const AlertEntry& entry, Reason reason, base::WallTime now);
  Mute mute_of(const Route& route) const;
  std::string who_hides(const Suppression& suppression) const;
  void say_who_hides(const AlertEntry& entry);
  base::Result<void> check_breadth(const SetSilence& edit) const;
  base::Duration remind_before(const Silence& silence) const;

  // ---- turns (pipeline_turns.cc)
  void refresh(Group& group, base::WallTime now);
  void take_turn(Group& group, base::WallTime now);
  void take_tick(Group& group, base::WallTime now);  // Alertmanager's
  void tell_all(Group& group, const Batch& batch, base::WallTime now);
  void tell(Group& group, const Integration& integration, const Batch& batch, base::WallTime now);
  void drop_resolved(Group& group, const Batch* told = nullptr);
  void clamp_turns(base::WallTime now);
  void index(Group& group);
  void mark_dirty(Group& group);
  void mark_dirty(AlertEntry& entry);
  void forget(Group& group);
  void forget(AlertEntry& entry);
  void speak_again(Group& group, Reason reason, base::WallTime now);
  std::vector<Group*> groups_by_key() const;
  std::optional<base::WallTime> due(const Group& group) const;
  Timing timing(const Group& group) const;

  // ---- configuration (pipeline_state.cc)
  void restore_group(Group stored);
  void index_routes(const Route& route);
  const Route& route_or_root(std::string_view name) const;
  void use_routing(base::WallTime now);

  Routing routing_;
  PipelineLimits limits_;
  std::unordered_map<std::string_view, Configured> routes_;  ///< By name.
  std::map<std::string, Interval> intervals_;
  Silences silences_;
  Inhibition inhibition_;
  Maintenances maintenances_;
  Flapping flapping_;
  NotifyLogs logs_;
  AlertTable alerts_;
  GroupTable groups_;
  mutable const Group* last_found_ = nullptr;  ///< Of find_group(): mostly the next one too.
  Expiries expiries_{alerts_};
  TurnQueue urgent_turns_;  ///< Of groups with a Critical alert.
  TurnQueue turns_;         ///< Of the others.
  base::Duration peer_wait_{0};
  std::map<std::string, Frozen> frozen_;  ///< By group: waits for the peers before us.
  base::WallTime grace_until_{};
  base::WallTime last_now_{};
  std::optional<base::WallTime> next_reminder_;
  std::vector<AlertEntry*> dirty_alerts_;  ///< Null: gone since.
  std::vector<Group*> dirty_groups_;       ///< Likewise.
  std::vector<Fingerprint> alerts_gone_;
  std::vector<std::unique_ptr<Group>> groups_gone_;
  std::vector<Action> actions_;        ///< Of the step that runs.
  std::vector<const Group*> indexed_;  ///< In the last step.
  std::vector<Aside> asides_;
};

}  // namespace tocsin::routing
