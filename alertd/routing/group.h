// The state of routing as plain data: alerts, groups, and what was last notified of each group.
//
// Stored after every change and read back after a restart, so it holds absolute times, never
// timers.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "alertd/routing/suppression.h"
#include "common/base/time.h"
#include "common/model/alert.h"

namespace tocsin::routing {

using Fingerprint = std::uint64_t;

/// Returns the decision log's name for an alert.
std::string alert_subject(Fingerprint fingerprint);

/// An alert as routing knows it.
struct AlertEntry {
  model::Alert alert;
  bool resolved = false;
  /// Taken as resolved then; alert.valid_until, but never before the grace after a start.
  base::WallTime expires_at;
  std::set<std::string> groups;  ///< Keys of the groups it is a member of.
  Suppression suppression;       ///< Not stored.
  bool timeout = true;           ///< Its end is only that nobody sent it again. Not stored.
};

/// An alert's standing in one group.
struct Member {
  model::Severity severity = model::Severity::Medium;
  bool resolved = false;
  base::WallTime since;  ///< Of the standing.
  /// Why it is not told of now although it fires (Silenced, Inhibited, Maintenance). Not stored.
  std::optional<Reason> hidden{};
  bool held = false;  ///< It flaps: resolved, but that is not said yet. Not stored.
};

/// What was said last about a group. Source of the idea: Alertmanager's notification log.
struct NotifyLog {
  std::map<Fingerprint, model::Severity> firing;  ///< As they were said to fire.
  base::WallTime at;
};

/// Alerts that are told of together.
struct Group {
  std::string key;
  std::string route;
  std::string receiver;
  model::Labels labels;
  std::map<Fingerprint, Member> members;
  NotifyLog log;
  base::WallTime created_at;
  bool waited = false;                        ///< group_wait is over.
  base::WallTime next_turn;                   ///< End of group_wait or of group_interval.
  std::optional<base::WallTime> early_turn;   ///< Something worse came in.
  std::optional<base::WallTime> resolved_at;  ///< Since when no member fires.
  bool repeats_held = false;                  ///< Acknowledged: do not say the same again.

  // Not stored; computed from the rest.
  Mute mute;                     ///< The route is quiet now.
  bool visible = false;          ///< Some member fires and is not hidden.
  bool news = false;             ///< Some member is resolved and still here.
  std::optional<Reason> forced;  ///< The next turn speaks for this reason.
  struct Turn {
    base::WallTime at;
    bool urgent = false;
  };
  std::optional<Turn> turn;  ///< Its place among those that wait; the pipeline's.
  std::size_t dirty = 0;     ///< Its place among those that changed, from 1; the pipeline's.

  /// Returns whether some member fires that is told of, or was.
  bool firing() const { return !resolved_at && !members.empty(); }
  /// Returns whether all that fires is hidden, or the route is muted: escalation waits meanwhile.
  bool suppressed() const { return mute.any() || !visible; }
  /// Returns the severity of the worst firing member that is not hidden; if there is none, of the
  /// worst firing one; if there is none, of the worst.
  model::Severity severity() const;
};

}  // namespace tocsin::routing
