#include "alertd/incident/notification.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "alertd/incident/json_values.h"
#include "common/base/hash.h"

namespace tocsin::incident {

namespace json = boost::json;
using base::Result;

namespace {

constexpr std::array<std::string_view, 3> kStates{"open", "acknowledged", "resolved"};
constexpr std::array<std::string_view, 9> kKinds{"firing",       "update",   "resolved",
                                                 "acknowledged", "reopened", "test",
                                                 "summary",      "news",     "report"};

template <class Enum, std::size_t N>
std::optional<Enum> find_word(const std::array<std::string_view, N>& words, std::string_view text) {
  const auto at = std::find(words.begin(), words.end(), text);
  if (at == words.end()) return std::nullopt;
  return static_cast<Enum>(at - words.begin());
}

json::object incident_value(const IncidentSummary& incident) {
  json::object object;
  object["id"] = incident.id;
  object["title"] = incident.title;
  object["severity"] = model::to_string(incident.severity);
  object["peak_severity"] = model::to_string(incident.peak_severity);
  object["state"] = to_string(incident.state);
  object["opened_at"] = base::to_ms(incident.opened_at);
  if (incident.reopened > 0) object["reopened"] = incident.reopened;
  object["url_path"] = incident.url_path;
  if (!incident.acknowledged_by.empty()) object["acknowledged_by"] = incident.acknowledged_by;
  if (!incident.resolved_by.empty()) object["resolved_by"] = incident.resolved_by;
  if (!incident.comment.empty()) object["comment"] = incident.comment;
  return object;
}

Result<IncidentSummary> read_incident(const json::object& object) {
  FieldReader reader(object);
  IncidentSummary incident;
  incident.id = reader.string("id");
  incident.title = reader.string("title");
  incident.severity = reader.word("severity", model::parse_severity);
  incident.peak_severity = reader.word("peak_severity", model::parse_severity);
  incident.state = reader.word("state", parse_incident_state);
  incident.opened_at = reader.time("opened_at");
  incident.reopened = static_cast<std::uint32_t>(reader.unsigned_integer("reopened"));
  incident.url_path = reader.string("url_path");
  incident.acknowledged_by = reader.string("acknowledged_by");
  incident.resolved_by = reader.string("resolved_by");
  incident.comment = reader.string("comment");
  TC_TRY(reader.finish("notification's incident"));
  return incident;
}

Result<std::vector<NotifiedAlert>> read_alerts(const json::array* array) {
  std::vector<NotifiedAlert> alerts;
  if (!array) return alerts;
  alerts.reserve(array->size());
  for (const json::value& value : *array) {
    const json::object* object = value.if_object();
    if (!object) {
      return base::error(base::ErrorCode::Corruption, "stored notification: alert is no object");
    }
    NotifiedAlert notified;
    TC_TRY(notified.alert, read_alert(*object));
    FieldReader reader(*object);
    notified.firing = reader.boolean("firing");
    TC_TRY(reader.finish("notification's alert"));
    alerts.push_back(std::move(notified));
  }
  return alerts;
}

Result<std::vector<IncidentSummary>> read_members(const json::array* array) {
  std::vector<IncidentSummary> members;
  if (!array) return members;
  members.reserve(array->size());
  for (const json::value& value : *array) {
    const json::object* object = value.if_object();
    if (!object) {
      return base::error(base::ErrorCode::Corruption, "stored notification: member is no object");
    }
    TC_TRY(IncidentSummary member, read_incident(*object));
    members.push_back(std::move(member));
  }
  return members;
}

}  // namespace

std::string_view to_string(IncidentState state) {
  return kStates[static_cast<std::size_t>(state)];
}

std::optional<IncidentState> parse_incident_state(std::string_view text) {
  return find_word<IncidentState>(kStates, text);
}

std::string_view to_string(NotificationKind kind) {
  return kKinds[static_cast<std::size_t>(kind)];
}

std::optional<NotificationKind> parse_notification_kind(std::string_view text) {
  return find_word<NotificationKind>(kKinds, text);
}

bool Notification::firing() const {
  // A person may have said so while alerts fire on; a receiver that opened something closes it now.
  if (kind == NotificationKind::Resolved) return false;
  if (kind == NotificationKind::Summary) {
    return std::any_of(members.begin(), members.end(), [](const IncidentSummary& each) {
      return each.state != IncidentState::Resolved;
    });
  }
  return std::any_of(alerts.begin(), alerts.end(), [](const auto& each) { return each.firing; });
}

std::string delivery_key(std::string_view incident_id, std::string_view receiver,
                         std::string_view channel, NotificationKind kind, std::uint64_t sequence) {
  std::string text;
  for (const std::string_view field : {incident_id, receiver, channel}) {
    // Lengths keep ("ab", "c") and ("a", "bc") apart.
    text.append(std::to_string(field.size())).append(":").append(field).append(" ");
  }
  text.append(to_string(kind)).append(" ").append(std::to_string(sequence));
  return base::sha256_hex(text).substr(0, 32);
}

// How bad it was is not known: the worst is assumed. It never says that something is over.
Notification stand_in(Notification known) {
  IncidentSummary& incident = known.incident;
  incident.title = incident.id.empty()
                       ? "a message cannot be read any more"
                       : "a message about " + incident.id + " cannot be read any more";
  incident.severity = model::Severity::Critical;
  incident.peak_severity = model::Severity::Critical;
  incident.opened_at = known.created_at;
  if (!incident.id.empty()) incident.url_path = "/incidents/" + incident.id;
  known.kind = NotificationKind::Update;
  known.note = "what was stored of the message is damaged, so this comes in its place";
  known.thread_key = base::sha256_hex("stand-in " + known.key).substr(0, 16);
  model::Alert alert;
  alert.severity = incident.severity;
  alert.labels = model::LabelsBuilder()
                     .set(std::string(model::kAlertName), "TocsinMessageUnreadable")
                     .set("severity", std::string(model::to_string(alert.severity)))
                     .set("incident", incident.id)
                     .build();
  alert.annotations = model::LabelsBuilder().set("summary", incident.title).build();
  alert.starts_at = known.created_at;
  alert.updated_at = known.created_at;
  known.common_labels = alert.labels;
  known.common_annotations = {{"summary", incident.title}};
  known.group_key = "stand-in " + known.key;
  known.alerts = {{std::move(alert), true}};
  return known;
}

std::string to_json(const Notification& notification) {
  json::object object;
  object["key"] = notification.key;
  object["incident"] = incident_value(notification.incident);
  object["kind"] = to_string(notification.kind);
  object["reason"] = routing::to_string(notification.reason);
  object["sequence"] = notification.sequence;
  object["created_at"] = base::to_ms(notification.created_at);
  object["receiver"] = notification.receiver;
  object["channel"] = notification.channel;
  object["route"] = notification.route;
  object["group_key"] = notification.group_key;
  object["thread_key"] = notification.thread_key;
  if (!notification.ack_path.empty()) object["ack_path"] = notification.ack_path;
  object["group_labels"] = labels_value(notification.group_labels);
  object["common_labels"] = labels_value(notification.common_labels);
  object["common_annotations"] = strings_value(notification.common_annotations);
  json::array alerts;
  alerts.reserve(notification.alerts.size());
  for (const NotifiedAlert& notified : notification.alerts) {
    json::object alert = alert_value(notified.alert);
    alert["firing"] = notified.firing;
    alerts.push_back(std::move(alert));
  }
  object["alerts"] = std::move(alerts);
  if (notification.truncated_alerts) object["truncated_alerts"] = notification.truncated_alerts;
  if (!notification.words.empty()) object["words"] = notification.words;
  if (!notification.html.empty()) object["html"] = notification.html;
  if (!notification.note.empty()) object["note"] = notification.note;
  if (!notification.failover_for.empty()) object["failover_for"] = notification.failover_for;
  if (!notification.members.empty()) {
    json::array members;
    for (const IncidentSummary& member : notification.members) {
      members.push_back(incident_value(member));
    }
    object["members"] = std::move(members);
  }
  if (notification.truncated_members) object["truncated_members"] = notification.truncated_members;
  return json::serialize(object);
}

Result<Notification> notification_from_json(std::string_view text) {
  TC_TRY(const json::object object, parse_object(text, "notification"));
  FieldReader reader(object);
  Notification notification;
  notification.key = reader.string("key");
  if (const json::object* incident = reader.object("incident")) {
    TC_TRY(notification.incident, read_incident(*incident));
  } else {
    reader.wrong("incident");
  }
  notification.kind = reader.word("kind", parse_notification_kind);
  notification.reason = reader.word("reason", routing::parse_reason);
  notification.sequence = reader.unsigned_integer("sequence");
  notification.created_at = reader.time("created_at");
  notification.receiver = reader.string("receiver");
  notification.channel = reader.string("channel");
  notification.route = reader.string("route");
  notification.group_key = reader.string("group_key");
  notification.thread_key = reader.string("thread_key");
  notification.ack_path = reader.string("ack_path");
  notification.group_labels = reader.labels("group_labels");
  notification.common_labels = reader.labels("common_labels");
  notification.common_annotations = reader.strings("common_annotations");
  TC_TRY(notification.alerts, read_alerts(reader.array("alerts")));
  notification.truncated_alerts = reader.unsigned_integer("truncated_alerts");
  notification.words = reader.string("words");
  notification.html = reader.string("html");
  notification.note = reader.string("note");
  notification.failover_for = reader.string("failover_for");
  TC_TRY(notification.members, read_members(reader.array("members")));
  notification.truncated_members = reader.unsigned_integer("truncated_members");
  TC_TRY(reader.finish("notification"));
  return notification;
}

}  // namespace tocsin::incident
