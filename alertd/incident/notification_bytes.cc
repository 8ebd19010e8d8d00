// Layout: the version 1, then the fields in the order in which append_bytes puts them, which never
// changes; new ones come at the end, where a reader must expect to find none. Numbers are varints,
// times signed ones of milliseconds, texts have their length in front, lists their count. Words
// stand for enumerators, because their numbers move.

#include "alertd/incident/byte_values.h"
#include "alertd/incident/notification.h"

namespace tocsin::incident {

using base::ByteReader;
using base::put_text;
using base::put_varint;
using base::Result;

namespace {

constexpr std::uint64_t kVersion = 1;

void put_summary(const IncidentSummary& incident, std::string& out) {
  put_text(incident.id, out);
  put_text(incident.title, out);
  put_severity(incident.severity, out);
  put_severity(incident.peak_severity, out);
  put_text(to_string(incident.state), out);
  put_time(incident.opened_at, out);
  put_varint(incident.reopened, out);
  put_text(incident.url_path, out);
  put_text(incident.acknowledged_by, out);
  put_text(incident.resolved_by, out);
  put_text(incident.comment, out);
}

IncidentSummary take_summary(ByteReader& reader) {
  IncidentSummary incident;
  incident.id = take_string(reader);
  incident.title = take_string(reader);
  incident.severity = take_severity(reader);
  incident.peak_severity = take_severity(reader);
  incident.state = take_word(reader, parse_incident_state);
  incident.opened_at = take_time(reader);
  incident.reopened = static_cast<std::uint32_t>(reader.varint());
  incident.url_path = take_string(reader);
  incident.acknowledged_by = take_string(reader);
  incident.resolved_by = take_string(reader);
  incident.comment = take_string(reader);
  return incident;
}

void put_notified(const NotifiedAlert& notified, std::string& out) {
  put_varint(notified.firing ? 1U : 0U, out);
  put_alert(notified.alert, out);
}

NotifiedAlert take_notified(ByteReader& reader) {
  NotifiedAlert notified;
  notified.firing = reader.varint() != 0;
  notified.alert = take_alert(reader);
  return notified;
}

}  // namespace

void append_bytes(const Notification& notification, std::string& out) {
  put_varint(kVersion, out);
  put_text(notification.key, out);
  put_summary(notification.incident, out);
  put_text(to_string(notification.kind), out);
  put_text(routing::to_string(notification.reason), out);
  put_varint(notification.sequence, out);
  put_time(notification.created_at, out);
  put_text(notification.receiver, out);
  put_text(notification.channel, out);
  put_text(notification.route, out);
  put_text(notification.group_key, out);
  put_text(notification.thread_key, out);
  put_text(notification.ack_path, out);
  put_labels(notification.group_labels, out);
  put_labels(notification.common_labels, out);
  put_varint(notification.common_annotations.size(), out);
  for (const auto& [name, value] : notification.common_annotations) {
    put_text(name, out);
    put_text(value, out);
  }
  put_varint(notification.alerts.size(), out);
  for (const NotifiedAlert& notified : notification.alerts) put_notified(notified, out);
  put_varint(notification.truncated_alerts, out);
  put_text(notification.words, out);
  put_text(notification.html, out);
  put_text(notification.note, out);
  put_text(notification.failover_for, out);
  put_varint(notification.members.size(), out);
  for (const IncidentSummary& member : notification.members) put_summary(member, out);
  put_varint(notification.truncated_members, out);
}

Result<Notification> notification_from_bytes(std::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.varint() != kVersion) reader.fail();
  Notification notification;
  notification.key = take_string(reader);
  notification.incident = take_summary(reader);
  notification.kind = take_word(reader, parse_notification_kind);
  notification.reason = take_word(reader, routing::parse_reason);
  notification.sequence = reader.varint();
  notification.created_at = take_time(reader);
  notification.receiver = take_string(reader);
  notification.channel = take_string(reader);
  notification.route = take_string(reader);
  notification.group_key = take_string(reader);
  notification.thread_key = take_string(reader);
  notification.ack_path = take_string(reader);
  notification.group_labels = take_labels(reader);
  notification.common_labels = take_labels(reader);
  const std::uint64_t annotations = reader.varint();
  for (std::uint64_t i = 0; reader.ok() && i < annotations; ++i) {
    std::string name = take_string(reader);
    notification.common_annotations[std::move(name)] = take_string(reader);
  }
  notification.alerts = take_list<NotifiedAlert>(reader, take_notified);
  notification.truncated_alerts = reader.varint();
  notification.words = take_string(reader);
  notification.html = take_string(reader);
  notification.note = take_string(reader);
  notification.failover_for = take_string(reader);
  notification.members = take_list<IncidentSummary>(reader, take_summary);
  notification.truncated_members = reader.varint();
  if (reader.ok()) return notification;
  return base::error(base::ErrorCode::Corruption, "stored notification: damaged bytes");
}

}  // namespace tocsin::incident
