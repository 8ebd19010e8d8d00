#include "alertd/routing/dedup.h"

#include <optional>

namespace tocsin::routing {

Verdict decide(const Group& group, base::Duration repeat_interval, base::WallTime now) {
  const bool told = !group.log.firing.empty();
  bool fires = false;
  bool told_hidden = false;
  std::optional<Reason> hidden;
  bool joined = false;
  bool worse = false;
  bool resolved = false;
  for (const auto& [fingerprint, member] : group.members) {
    const auto before = group.log.firing.find(fingerprint);
    const bool known = before != group.log.firing.end();
    if (member.resolved) {
      resolved = resolved || known;
      continue;
    }
    if (member.hidden) {
      if (!hidden) hidden = member.hidden;
      told_hidden = told_hidden || known;
      continue;
    }
    fires = true;
    joined = joined || !known;
    worse = worse || (known && member.severity > before->second);
  }
  const Verdict nothing{false, hidden.value_or(told ? Reason::Unchanged : Reason::NeverNotified)};
  if (fires && group.forced) return {true, *group.forced};
  if (!told) return fires ? Verdict{true, Reason::FirstNotification} : nothing;
  if (joined) return {true, Reason::NewAlerts};
  if (worse) return {true, Reason::SeverityRaised};
  if (!fires && !told_hidden) return {true, Reason::AllResolved};
  if (resolved) return {true, Reason::SomeResolved};
  if (!fires) return nothing;
  if (repeat_interval.count() > 0 && group.log.at + repeat_interval <= now) {
    return group.repeats_held ? Verdict{false, Reason::Acknowledged}
                              : Verdict{true, Reason::Repeat};
  }
  return {false, Reason::Unchanged};
}

}  // namespace tocsin::routing
