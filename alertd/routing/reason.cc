#include "alertd/routing/reason.h"

namespace tocsin::routing {
namespace {

struct Words {
  std::string_view name;
  std::string_view phrase;
};

// In the order of the enumerators.
constexpr std::array<Words, kReasonCount> kWords{{
    {"Escalated", "not acknowledged in time"},
    {"SnoozeEnded", "the snooze is over, still firing"},
    {"NobodyOnCall", "nobody is on call"},
    {"StepFailed", "a step of the policy reached nobody"},
    {"Digest", "digest of the day"},
    {"Storm", "many incidents at once"},
    {"HandOver", "hand-over of a schedule"},
    {"News", "news for stakeholders"},
    {"NewsDue", "stakeholders wait for news: `tocsin news`"},
    {"PolicyDecides", "the policy decides when it is said again"},
    {"OutsideHours", "waits for the hours of the person"},
    {"StepSkipped", "the condition of the step does not hold"},
    {"NobodyTold", "nobody was told of the incident so far"},
    {"Snoozed", "snoozed by a person"},
    {"Merged", "told with the incident it was merged into"},
    {"Dependency", "what it depends on has an incident"},
    {"FirstNotification", "first notification"},
    {"NewAlerts", "new alerts added"},
    {"SeverityRaised", "severity raised"},
    {"SomeResolved", "some alerts resolved"},
    {"AllResolved", "all alerts resolved"},
    {"Repeat", "repeat interval elapsed"},
    {"AckExpired", "acknowledgement expired, still firing"},
    {"StillFiring", "resolved by a person, but still firing"},
    {"Requested", "requested by a person"},
    {"MaintenanceEnded", "maintenance ended, still firing"},
    {"SilenceEnding", "a silence that still hides alerts ends soon"},
    {"Acknowledged", "acknowledged by a person"},
    {"ResolvedByPerson", "resolved by a person"},
    {"GroupWait", "new group waits for company"},
    {"GroupInterval", "change waits for the group's next turn"},
    {"ResolveWait", "resolved, waiting whether it stays so"},
    {"Unchanged", "nothing changed since the last notification"},
    {"NeverNotified", "resolved before anything was sent"},
    {"NoChannel", "the receiver has no channel"},
    {"Silenced", "silenced"},
    {"Inhibited", "inhibited by another alert"},
    {"Maintenance", "under maintenance"},
    {"MuteTime", "the route is muted at this time"},
    {"OutsideActiveTime", "the route is not active at this time"},
    {"Flapping", "flapping: its resolves are held"},
    {"NotWanted", "the integration does not want resolved alerts"},
    {"Outdated", "older than what is known of this alert"},
    {"LimitExceeded", "over the limit of alerts"},
}};

}  // namespace

std::string_view to_string(Reason reason) {
  return kWords[static_cast<std::size_t>(reason)].name;
}

std::optional<Reason> parse_reason(std::string_view text) {
  for (std::size_t i = 0; i < kWords.size(); ++i) {
    if (kWords[i].name == text) return static_cast<Reason>(i);
  }
  return std::nullopt;
}

std::string_view describe(Reason reason) {
  return kWords[static_cast<std::size_t>(reason)].phrase;
}

}  // namespace tocsin::routing
