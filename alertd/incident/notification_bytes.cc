// Layout: the version 1, then the fields in the order in which append_bytes puts them, which never
// changes; new ones come at the end, where a reader must expect to find none. Numbers are varints,
// times signed ones of milliseconds, texts have their length in front, lists their count. Words
// stand for enumerators, because their numbers move.

#include "alertd/incident/notification.h"
#include "common/base/byte_codec.h"

namespace tocsin::incident {

using base::ByteReader;
using base::put_raw;
using base::put_signed;
using base::put_text;
using base::put_varint;
using base::Result;

namespace {

constexpr std::uint64_t kVersion = 1;

void put_time(base::WallTime time, std::string& out) {
  put_signed(base::as_u64(base::to_ms(time)), out);
}

base::WallTime take_time(ByteReader& reader) {
  return base::wall_time(base::as_i64(reader.signed_varint()));
}

void put_labels(const model::Labels& labels, std::string& out) {
  put_varint(labels.size(), out);
  for (const model::LabelView label : labels) {
    put_text(label.name, out);
    put_text(label.value, out);
  }
}

model::Labels take_labels(ByteReader& reader) {
  const std::uint64_t count = reader.varint();
  if (count > reader.left() / 2) reader.fail();
  std::vector<model::LabelView> labels;
  labels.reserve(reader.ok() ? static_cast<std::size_t>(count) : 0);
  while (reader.ok() && labels.size() < count) {
    const std::string_view name = reader.text();
    const std::string_view value = reader.text();
    if (value.empty() || (!labels.empty() && name <= labels.back().name)) reader.fail();
    labels.push_back({name, value});
  }
  return reader.ok() ? model::Labels::from_sorted(labels) : model::Labels();
}

model::Severity take_severity(ByteReader& reader) {
  const std::uint64_t number = reader.varint();
  if (number > static_cast<std::uint64_t>(model::Severity::Critical)) reader.fail();
  return reader.ok() ? static_cast<model::Severity>(number) : model::Severity::Medium;
}

void put_severity(model::Severity severity, std::string& out) {
  put_varint(static_cast<std::uint64_t>(severity), out);
}

/// Reads a word with `parse`, which returns an optional.
template <class Parse>
auto take_word(ByteReader& reader, Parse parse) {
  const auto value = parse(reader.text());
  if (!value) reader.fail();
  return value.value_or(typename decltype(parse(std::string_view()))::value_type{});
}

std::string take_string(ByteReader& reader) {
  return std::string(reader.text());
}

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

void put_alert(const NotifiedAlert& notified, std::string& out) {
  const model::Alert& alert = notified.alert;
  put_varint((notified.firing ? 1U : 0U) | (alert.ends_at ? 2U : 0U) | (alert.value ? 4U : 0U),
             out);
  put_labels(alert.labels, out);
  put_labels(alert.annotations, out);
  put_severity(alert.severity, out);
  put_time(alert.starts_at, out);
  if (alert.ends_at) put_time(*alert.ends_at, out);
  put_time(alert.valid_until, out);
  put_time(alert.updated_at, out);
  if (alert.value) put_raw(*alert.value, out);
  put_text(alert.generator_url, out);
  put_text(alert.rule_source, out);
}

NotifiedAlert take_alert(ByteReader& reader) {
  NotifiedAlert notified;
  model::Alert& alert = notified.alert;
  const std::uint64_t flags = reader.varint();
  notified.firing = (flags & 1U) != 0;
  alert.labels = take_labels(reader);
  alert.annotations = take_labels(reader);
  alert.severity = take_severity(reader);
  alert.starts_at = take_time(reader);
  if ((flags & 2U) != 0) alert.ends_at = take_time(reader);
  alert.valid_until = take_time(reader);
  alert.updated_at = take_time(reader);
  if ((flags & 4U) != 0) alert.value = reader.number();
  alert.generator_url = take_string(reader);
  alert.rule_source = take_string(reader);
  return notified;
}

/// Reads a list; no element is shorter than a byte, which bounds the count.
template <class Element, class Read>
std::vector<Element> take_list(ByteReader& reader, Read read) {
  const std::uint64_t count = reader.varint();
  if (count > reader.left()) reader.fail();
  std::vector<Element> list;
  for (std::uint64_t i = 0; reader.ok() && i < count; ++i) list.push_back(read(reader));
  return list;
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
  for (const NotifiedAlert& notified : notification.alerts) put_alert(notified, out);
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
  notification.alerts = take_list<NotifiedAlert>(reader, take_alert);
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
