// Layout: the version 2, then the fields in the order in which append_bytes puts them, which never
// changes; new ones come at the end, where a reader must expect to find none. Numbers are varints,
// times signed ones of milliseconds, texts have their length in front, lists their count. Words
// stand for enumerators, because their numbers move.
//
// An alert that has the message's common labels, or annotations, and no others has a flag in their
// place: most messages tell of one alert. Version 1 knew no such flags.

#include <algorithm>

#include "alertd/incident/byte_values.h"
#include "alertd/incident/notification.h"

namespace tocsin::incident {

using base::ByteReader;
using base::put_text;
using base::put_varint;
using base::Result;

namespace {

constexpr std::uint64_t kVersion = 2;
constexpr std::uint64_t kVersionMin = 1;

// Flags of an alert.
constexpr std::uint64_t kFires = 1;
constexpr std::uint64_t kCommonLabels = 2;
constexpr std::uint64_t kCommonAnnotations = 4;

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

struct SummaryHead {
  std::string_view id;
  model::Severity severity;
  base::WallTime opened_at;
};

SummaryHead pass_summary(ByteReader& reader) {
  SummaryHead head{};
  head.id = reader.text();
  reader.text();  // title
  head.severity = take_severity(reader);
  take_severity(reader);
  take_word(reader, parse_incident_state);
  head.opened_at = take_time(reader);
  reader.varint();  // reopened
  pass_texts(reader, 4);
  return head;
}

bool has_only_common(const model::Labels& annotations,
                     const std::map<std::string, std::string>& common) {
  return std::equal(annotations.begin(), annotations.end(), common.begin(), common.end(),
                    [](const model::LabelView& one, const auto& other) {
                      return one.name == other.first && one.value == other.second;
                    });
}

model::Labels as_labels(const std::map<std::string, std::string>& strings) {
  std::vector<model::LabelView> labels;
  for (const auto& [name, value] : strings) labels.push_back({name, value});
  return model::Labels::from_sorted(labels);
}

void put_notified(const NotifiedAlert& notified, const Notification& message, std::string& out) {
  const bool labels = notified.alert.labels == message.common_labels;
  const bool annotations = has_only_common(notified.alert.annotations, message.common_annotations);
  put_varint((notified.firing ? kFires : 0) | (labels ? kCommonLabels : 0) |
                 (annotations ? kCommonAnnotations : 0),
             out);
  put_alert(notified.alert, out, {!labels, !annotations});
}

NotifiedAlert take_notified(ByteReader& reader, const Notification& message) {
  const std::uint64_t flags = reader.varint();
  const bool labels = (flags & kCommonLabels) != 0;
  const bool annotations = (flags & kCommonAnnotations) != 0;
  NotifiedAlert notified;
  notified.firing = (flags & kFires) != 0;
  notified.alert = take_alert(reader, {!labels, !annotations});
  if (labels) notified.alert.labels = message.common_labels;
  if (annotations) notified.alert.annotations = as_labels(message.common_annotations);
  return notified;
}

void pass_notified(ByteReader& reader) {
  const std::uint64_t flags = reader.varint();
  pass_alert(reader, {(flags & kCommonLabels) == 0, (flags & kCommonAnnotations) == 0});
}

void check_version(ByteReader& reader) {
  const std::uint64_t version = reader.varint();
  if (version < kVersionMin || version > kVersion) reader.fail();
}

base::Error damaged() {
  return base::error(base::ErrorCode::Corruption, "stored notification: damaged bytes");
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
  for (const NotifiedAlert& notified : notification.alerts) {
    put_notified(notified, notification, out);
  }
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
  check_version(reader);
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
  notification.alerts = take_list<NotifiedAlert>(
      reader, [&notification](ByteReader& from) { return take_notified(from, notification); });
  notification.truncated_alerts = reader.varint();
  notification.words = take_string(reader);
  notification.html = take_string(reader);
  notification.note = take_string(reader);
  notification.failover_for = take_string(reader);
  notification.members = take_list<IncidentSummary>(reader, take_summary);
  notification.truncated_members = reader.varint();
  if (reader.ok()) return notification;
  return damaged();
}

Result<NotificationHead> head_from_bytes(std::string_view bytes) {
  ByteReader reader(bytes);
  check_version(reader);
  NotificationHead head;
  head.key = reader.text();
  const SummaryHead incident = pass_summary(reader);
  head.incident_id = incident.id;
  head.severity = incident.severity;
  head.opened_at = incident.opened_at;
  head.kind = take_word(reader, parse_notification_kind);
  take_word(reader, routing::parse_reason);
  head.sequence = reader.varint();
  head.created_at = take_time(reader);
  head.receiver = reader.text();
  head.channel = reader.text();
  pass_texts(reader, 4);  // route, group_key, thread_key, ack_path
  pass_labels(reader);
  pass_labels(reader);
  const std::uint64_t annotations = reader.varint();
  for (std::uint64_t i = 0; reader.ok() && i < annotations; ++i) pass_texts(reader, 2);
  pass_list(reader, pass_notified);
  reader.varint();
  pass_texts(reader, 3);  // words, html, note
  head.failover_for = reader.text();
  pass_list(reader, pass_summary);
  reader.varint();
  if (reader.ok()) return head;
  return damaged();
}

}  // namespace tocsin::incident
