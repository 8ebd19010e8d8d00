// Whether a group's turn says something: the comparison of what is with what was said last.
//
// Deliberately absent: who it is sent to, and acknowledgement beyond repeats; that is
// alertd/incident.
#pragma once

#include "alertd/routing/group.h"

namespace tocsin::routing {

struct Verdict {
  bool send = false;
  Reason reason = Reason::Unchanged;
  friend bool operator==(const Verdict&, const Verdict&) = default;
};

/// Decides one turn of `group` at `now`.
///
/// In order: something fires and the turn is forced: tell. Never told of a firing alert: tell if
/// any fires. A firing alert that was not told of, or is worse than told: tell. All told ones
/// resolved: tell. Some resolved: tell. Else a repeat, if due. What is hidden is not there, but
/// what was told and is hidden now is not resolved. `repeat_interval` 0: no repeats. Source:
/// shared/reference/routing.md, section 1, "When a notification is sent". Differs from
/// Alertmanager (notify_log.h) in one point: an alert that came and went between two turns is not
/// told of.
Verdict decide(const Group& group, base::Duration repeat_interval, base::WallTime now);

}  // namespace tocsin::routing
