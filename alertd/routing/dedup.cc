#include "alertd/routing/dedup.h"

#include <algorithm>

namespace tocsin::routing {

model::Severity Group::severity() const {
  model::Severity worst = model::Severity::Low;
  const bool any = firing();
  for (const auto& [fingerprint, member] : members) {
    if (!any || !member.resolved) worst = std::max(worst, member.severity);
  }
  return worst;
}

Verdict decide(const Group& group, base::Duration repeat_interval, base::WallTime now) {
  const bool told = !group.log.firing.empty();
  bool fires = false;
  bool joined = false;
  bool worse = false;
  bool resolved = false;
  for (const auto& [fingerprint, member] : group.members) {
    const auto before = group.log.firing.find(fingerprint);
    if (member.resolved) {
      resolved = resolved || before != group.log.firing.end();
      continue;
    }
    fires = true;
    joined = joined || before == group.log.firing.end();
    worse = worse || (before != group.log.firing.end() && member.severity > before->second);
  }
  if (!told) {
    return fires ? Verdict{true, Reason::FirstNotification} : Verdict{false, Reason::NeverNotified};
  }
  if (joined) return {true, Reason::NewAlerts};
  if (worse) return {true, Reason::SeverityRaised};
  if (!fires) return {true, Reason::AllResolved};
  if (resolved) return {true, Reason::SomeResolved};
  if (repeat_interval.count() > 0 && group.log.at + repeat_interval <= now) {
    return group.repeats_held ? Verdict{false, Reason::Acknowledged}
                              : Verdict{true, Reason::Repeat};
  }
  return {false, Reason::Unchanged};
}

}  // namespace tocsin::routing
