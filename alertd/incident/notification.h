// What one message says: self-contained, so that it can be stored, sent after a restart, and sent
// again.
//
// The engine decides and writes one Notification for each channel of the receiver into the outbox,
// in the same transaction as the state it tells of. The notifier reads nothing else: no state it
// could see too early or too late. The delivery key is the same on every attempt; receivers drop
// repeats by it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alertd/routing/reason.h"
#include "common/base/result.h"
#include "common/base/time.h"
#include "common/model/alert.h"

namespace tocsin::incident {

using routing::Reason;

/// Where an incident stands.
enum class IncidentState { Open, Acknowledged, Resolved };

/// Returns "open", "acknowledged" or "resolved".
std::string_view to_string(IncidentState state);
std::optional<IncidentState> parse_incident_state(std::string_view text);

/// What kind of message it is. Channels with a protocol of their own map it (trigger, acknowledge,
/// resolve).
enum class NotificationKind {
  Firing,        ///< First of its incident.
  Update,        ///< It changed, became worse, or is repeated.
  Resolved,      ///< All over, by itself or by a person.
  Acknowledged,  ///< Somebody works on it.
  Reopened,      ///< Came back within the reopen window.
  Test,          ///< Somebody asked for a test; no incident.
  Summary,       ///< Tells of many incidents at once, in `members`; has none of its own.
  News,          ///< Plain words for stakeholders, in `words`: no alerts, no labels, no links.
  Report,        ///< What the calendar sends: `words`, and `html` where pages are shown.
};

/// Returns "firing", "update", "resolved", "acknowledged", "reopened", "test", "summary", "news" or
/// "report".
std::string_view to_string(NotificationKind kind);
std::optional<NotificationKind> parse_notification_kind(std::string_view text);

/// Returns whether all that a message of this kind says is in its `words`: no alert, nothing to
/// acknowledge.
constexpr bool words_only(NotificationKind kind) {
  return kind == NotificationKind::News || kind == NotificationKind::Report;
}

/// The incident as it was when the message was decided.
struct IncidentSummary {
  std::string id;  ///< Short and readable: "T-1042". Empty for Test.
  std::string title;
  model::Severity severity = model::Severity::Medium;       ///< Of the worst firing member.
  model::Severity peak_severity = model::Severity::Medium;  ///< The worst it ever was.
  IncidentState state = IncidentState::Open;
  base::WallTime opened_at;
  std::uint32_t reopened = 0;   ///< How often it came back.
  std::string url_path;         ///< "/incidents/T-1042"; put after the daemon's external URL.
  std::string acknowledged_by;  ///< Who, if acknowledged.
  std::string resolved_by;      ///< Who, if a person resolved it.
  std::string comment;          ///< Of that person.
};

/// One alert of a message, with its status fixed when the message was decided.
struct NotifiedAlert {
  model::Alert alert;
  bool firing = true;  ///< Else resolved; then alert.ends_at is set.
};

/// One message for one channel of one receiver.
struct Notification {
  std::string key;  ///< Stable idempotency key, 32 hexadecimal digits; see delivery_key().
  IncidentSummary incident;
  NotificationKind kind = NotificationKind::Firing;
  Reason reason = Reason::FirstNotification;
  std::uint64_t sequence = 0;  ///< Of the incident's messages, from 1; grows with time.
  base::WallTime created_at;

  std::string receiver;
  std::string channel;     ///< Name of the receiver's integration, as configured.
  std::string route;       ///< The route's stable name.
  std::string group_key;   ///< Of the alert group; the same over all incidents of the group.
  std::string thread_key;  ///< The same for all messages of one incident: threads, references.
  /// "/ack/<token>" while there is something to acknowledge; put after the daemon's external URL.
  std::string ack_path;

  model::Labels group_labels;
  model::Labels common_labels;
  std::map<std::string, std::string> common_annotations;
  std::vector<NotifiedAlert> alerts;   ///< Firing ones first, worst first.
  std::uint64_t truncated_alerts = 0;  ///< How many more there are than in `alerts`.

  std::string words;  ///< Of News and Report: all that is said, beside the title.
  std::string html;   ///< Of Report: the whole page, for channels that show one; may be empty.
  /// Why it comes here and now, for people: "instead of ops/pager, which fails"; usually empty.
  std::string note;
  /// "receiver/channel" of the message that this is a copy of; empty: none.
  std::string failover_for;
  std::vector<IncidentSummary> members;  ///< Of a Summary: the worst first.
  std::uint64_t truncated_members = 0;   ///< How many more there are than in `members`.

  /// Returns whether the message says that something fires: the incident is not over, and at least
  /// one alert fires. A person may resolve an incident whose alerts go on firing.
  bool firing() const;

  bool words_only() const { return incident::words_only(kind); }

  /// Returns whether this is a fire drill: all of it as always, but nothing is wrong.
  bool drill() const { return common_labels.get("drill") == "true"; }
};

/// Returns the stable key of a delivery: the same inputs give the same key for ever.
std::string delivery_key(std::string_view incident_id, std::string_view receiver,
                         std::string_view channel, NotificationKind kind, std::uint64_t sequence);

/// Writes the notification as one JSON object. Source of the format: README.md of this folder.
std::string to_json(const Notification& notification);

/// Reads what to_json wrote; unknown fields are ignored, so that a newer writer's text stays
/// readable. Errors: Corruption (names the field).
base::Result<Notification> notification_from_json(std::string_view text);

/// Appends the notification to `out` as compact bytes, which cost a tenth of the JSON to write and
/// to read: for files that nobody but the daemon reads. The length is not written: whoever keeps
/// them knows where they end. Layout: notification_bytes.cc.
void append_bytes(const Notification& notification, std::string& out);

/// Reads what append_bytes wrote, `bytes` whole; what a newer release put at the end is ignored.
/// Errors: Corruption.
base::Result<Notification> notification_from_bytes(std::string_view bytes);

/// Returns what is told in place of a stored message that cannot be read: that there was one, and
/// of which incident. `known` has what is written beside the message: key, incident's id, sequence,
/// time, receiver and channel; what is empty is not known.
Notification stand_in(Notification known);

/// What a message that waits is asked for. Texts point into its bytes.
struct NotificationHead {
  std::string_view key;
  std::string_view incident_id;                        ///< Empty: none.
  model::Severity severity = model::Severity::Medium;  ///< The incident's; so is the next.
  base::WallTime opened_at;
  NotificationKind kind = NotificationKind::Firing;
  std::uint64_t sequence = 0;
  base::WallTime created_at;
  std::string_view receiver;
  std::string_view channel;
  std::string_view failover_for;
};

/// Reads the head of what append_bytes wrote, and checks all of it: whoever gets a head can read
/// the message. Errors: Corruption, if notification_from_bytes would say so.
/// Cost: one walk over the bytes, no allocation; a tenth of reading the message.
base::Result<NotificationHead> head_from_bytes(std::string_view bytes);

}  // namespace tocsin::incident
