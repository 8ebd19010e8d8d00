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

#include "alertd/routing/reason.h"
#include "common/base/time.h"
#include "common/model/alert.h"

namespace tocsin::routing {

using Fingerprint = std::uint64_t;

/// An alert as routing knows it.
struct AlertEntry {
  model::Alert alert;
  bool resolved = false;
  /// Taken as resolved then; alert.valid_until, but never before the grace after a start.
  base::WallTime expires_at;
  std::set<std::string> groups;  ///< Keys of the groups it is a member of.
};

/// An alert's standing in one group.
struct Member {
  model::Severity severity = model::Severity::Medium;
  bool resolved = false;
  base::WallTime since;  ///< Of the standing.
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

  /// Returns whether some member fires.
  bool firing() const { return !resolved_at && !members.empty(); }
  /// Returns the severity of the worst firing member; of the worst member if none fires.
  model::Severity severity() const;
};

}  // namespace tocsin::routing
