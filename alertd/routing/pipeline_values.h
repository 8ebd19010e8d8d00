// What goes into the pipeline and comes out of it.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "alertd/routing/group.h"
#include "alertd/routing/maintenance.h"
#include "alertd/routing/notify_log.h"
#include "alertd/routing/route.h"
#include "alertd/routing/silence.h"

namespace tocsin::routing {

/// Bounds of what is kept in memory. Known alerts go on when a limit is reached; new ones are
/// refused.
struct PipelineLimits {
  std::size_t alerts_max = 100'000;  ///< And a tenth more of Critical ones.
  /// Beyond it, alerts of a route gather in one overflow group for the route: noise is better than
  /// loss.
  std::size_t groups_max = 100'000;
  /// Groups that speak in one step; the others are due in the next one, at once. What is decided is
  /// committed step by step, and a Critical group speaks before those that wait.
  std::size_t turns_per_step = 500;
};

/// One decision that leaves the pipeline.
struct Action {
  /// Null for a refused alert, or for a silence (see `silence`). One that is over is valid until
  /// Pipeline::take_dirty().
  const Group* group = nullptr;
  bool send = false;
  Reason reason = Reason::Unchanged;
  Fingerprint alert = 0;  ///< For decisions about one alert; else 0.
  model::Labels labels;   ///< Of that alert.
  std::string text;       ///< Who hides it, how many; may be empty.
  /// Alertmanager's mode: the channel of the receiver that it is for. Empty: the whole receiver.
  std::string integration;
  std::string silence;  ///< SilenceEnding: its id.
  /// Only if `send`: the group's as it is told of.
  model::Severity severity = model::Severity::Medium;
  std::vector<model::Alert> firing;
  std::vector<model::Alert> resolved;  ///< Those told of as firing before.

  /// Returns the group's key; empty: there is no group.
  std::string_view group_key() const;
  /// Returns which alert, and the text: '{alertname="A"}: maintenance ...'; for people.
  std::string said() const;
};

/// What became of an alert or a group between decisions; kept for `explain`, decides nothing.
struct Aside {
  const Group* group = nullptr;  ///< As Action::group.
  Fingerprint alert = 0;         ///< 0: the whole group.
  /// Why it is not told of; none: nothing hides it any more, and its group's turn decides.
  std::optional<Reason> reason;
  std::string text;
};

/// What changed in a way that must survive a restart, and what is gone.
struct Dirty {
  std::vector<const AlertEntry*> alerts;
  std::set<Fingerprint> alerts_gone;
  std::vector<const Group*> groups;
  std::set<std::string> groups_gone;  ///< Keys.
  std::set<std::string> silences;     ///< Keys, also of what is gone; so the next two.
  std::set<std::string> maintenances;
  std::set<std::string> logs;
};

/// What was stored, read back.
struct StoredRouting {
  std::vector<model::Alert> alerts;
  std::vector<Group> groups;
  std::vector<Silence> silences;
  std::vector<Maintenance> maintenances;
  std::vector<LoggedNotification> logs;
};

/// Why an alert is where it is now.
struct Explanation {
  std::vector<RouteStep> walk;
  Suppression suppression;
  std::string suppressed_by;  ///< For people; empty: nothing hides it.
  struct InGroup {
    std::string group_key;
    std::string route;
    std::string receiver;
    bool exists = false;
    Timing timing;  ///< For the severity of the group as it is.
    std::size_t firing = 0;
    std::size_t resolved = 0;
    Mute mute;
    std::optional<base::WallTime> told_at;  ///< That it fires, last.
    std::optional<base::WallTime> next_turn;
  };
  std::vector<InGroup> groups;
};

}  // namespace tocsin::routing
