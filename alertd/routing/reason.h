// Why something was sent or held: one vocabulary for logs, metrics, the timeline and `explain`.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tocsin::routing {

/// Why a notification leaves, or does not. Stored with each delivery and shown to people.
enum class Reason : std::uint8_t {
  // Sent by an incident's policy, not by the group's turn.
  Escalated,     ///< Not acknowledged within the step's delay.
  SnoozeEnded,   ///< The snooze is over and it still fires.
  NobodyOnCall,  ///< To the fallback: a step meant persons and found none.
  StepFailed,    ///< To the fallback: every delivery of a step failed for good.
  Digest,        ///< The one message of the day. Held: waits for it.
  Storm,         ///< Many incidents at once are told in one message. Held: it is in that message.
  HandOver,      ///< Somebody else is on call from now on.
  News,          ///< Stakeholders are told in plain words.
  NewsDue,       ///< To whoever works on it: stakeholders wait for news.
  // Held by an incident.
  PolicyDecides,  ///< A repeat: the incident's policy says when somebody is told again.
  OutsideHours,   ///< The persons of the step are told when their hours begin.
  StepSkipped,    ///< The step's condition does not hold.
  NobodyTold,     ///< Nobody was told of the incident so far: nobody needs the news.
  Snoozed,        ///< A person said: not before.
  Merged,         ///< Told with the incident that it is a part of.
  Dependency,     ///< What it depends on has an incident of its own.
  // Sent.
  FirstNotification,  ///< The group was never notified, or its last notification was a resolve.
  NewAlerts,          ///< An alert joined the group since the last notification.
  SeverityRaised,     ///< A notified alert became more severe.
  SomeResolved,       ///< A notified alert is resolved, others still fire.
  AllResolved,        ///< Every notified alert is resolved.
  Repeat,             ///< Nothing changed, and repeat_interval has passed.
  AckExpired,         ///< The acknowledgement ran out and it still fires.
  StillFiring,        ///< Resolved by a person, but it still fires after the hold.
  Requested,          ///< A person asked for it (test message).
  MaintenanceEnded,   ///< The maintenance window is over and it still fires.
  SilenceEnding,      ///< A silence ends soon that still hides something.
  // Sent after a person's act; held when that act makes a message needless.
  Acknowledged,      ///< A person acknowledged. Held: repeats of an acknowledged incident.
  ResolvedByPerson,  ///< A person resolved. Held: what would only repeat that.
  // Held.
  GroupWait,          ///< The group is new and waits for company.
  GroupInterval,      ///< The group was notified a moment ago; the change waits for its next turn.
  ResolveWait,        ///< All resolved, but not for long enough.
  Unchanged,          ///< Same alerts as notified, repeat_interval not reached.
  NeverNotified,      ///< Resolved before anything was sent: nobody needs to know.
  NoChannel,          ///< The receiver has no channel (any more).
  Silenced,           ///< A silence matches; the text says whose.
  Inhibited,          ///< A firing alert explains it; the text says which.
  Maintenance,        ///< A maintenance window is open.
  MuteTime,           ///< The route is quiet at this time.
  OutsideActiveTime,  ///< The route speaks at other times only.
  Flapping,           ///< Sent once when an alert begins to flap; its resolves are then held.
  NotWanted,          ///< The integration does not want to hear of resolved alerts.
  // Not taken in.
  Outdated,       ///< Older than what is known of this alert.
  LimitExceeded,  ///< Over the limit of alerts; known alerts go on.
};

inline constexpr std::size_t kReasonCount = static_cast<std::size_t>(Reason::LimitExceeded) + 1;

/// Returns the enumerator's name: "FirstNotification".
std::string_view to_string(Reason reason);
/// The inverse of to_string; nullopt if unknown.
std::optional<Reason> parse_reason(std::string_view text);
/// Returns a phrase for people: "first notification".
std::string_view describe(Reason reason);

}  // namespace tocsin::routing
