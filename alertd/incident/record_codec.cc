// Layout of a body: the version 1, then flags that say which of the optional fields there are, then
// the fields in the order in which they are put here, which never changes; new ones come at the
// end, where a reader must expect to find none. Values as in byte_values.h. Fingerprints are eight
// bytes. A body that begins with '{' is an older release's (json_codec.h).

#include "alertd/incident/record_codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "alertd/incident/byte_values.h"
#include "alertd/incident/escalation_codec.h"
#include "alertd/incident/json_codec.h"
#include "alertd/incident/json_values.h"

namespace tocsin::incident {

using base::ByteReader;
using base::put_raw;
using base::put_signed;
using base::put_text;
using base::put_varint;
using base::Result;
using routing::Fingerprint;

namespace {

constexpr std::uint64_t kVersion = 1;
/// Most bodies are shorter: they are written without moving what is there.
constexpr std::size_t kUsualBytes = 256;

base::Error damaged(std::string_view what, std::string_view key) {
  return base::error(base::ErrorCode::Corruption,
                     fmt::format("stored {} {}: damaged bytes", what, key));
}

bool is_json(std::string_view body) {
  return body.empty() || body.front() == '{';
}

void take_version(ByteReader& reader) {
  if (reader.varint() != kVersion) reader.fail();
}

/// The optional fields of a body, each with a bit of its own.
class Flags {
 public:
  Flags() = default;
  explicit Flags(std::uint64_t bits) : bits_(bits) {}

  Flags& set(unsigned bit, bool present) {
    if (present) bits_ |= std::uint64_t{1} << bit;
    return *this;
  }
  bool has(unsigned bit) const { return ((bits_ >> bit) & 1U) != 0; }
  std::uint64_t bits() const { return bits_; }

 private:
  std::uint64_t bits_ = 0;
};

std::optional<base::WallTime> take_time_if(bool present, ByteReader& reader) {
  return present ? std::optional(take_time(reader)) : std::nullopt;
}

void put_time_if(const std::optional<base::WallTime>& time, std::string& out) {
  if (time) put_time(*time, out);
}

Fingerprint take_fingerprint(ByteReader& reader) {
  const std::string_view raw = reader.bytes(sizeof(Fingerprint));
  return reader.ok() ? base::get_raw<Fingerprint>(raw) : 0;
}

std::int64_t take_signed(ByteReader& reader) {
  return base::as_i64(reader.signed_varint());
}

// Flags of a group.
constexpr unsigned kWaited = 0;
constexpr unsigned kEarlyTurn = 1;
constexpr unsigned kGroupResolvedAt = 2;
constexpr unsigned kRepeatsHeld = 3;

void put_members(const routing::Group& group, std::string& out) {
  put_varint(group.members.size(), out);
  for (const auto& [fingerprint, member] : group.members) {
    put_raw(fingerprint, out);
    put_severity(member.severity, out);
    put_varint(member.resolved ? 1 : 0, out);
    put_time(member.since, out);
  }
  put_varint(group.log.firing.size(), out);
  for (const auto& [fingerprint, severity] : group.log.firing) {
    put_raw(fingerprint, out);
    put_severity(severity, out);
  }
}

void take_members(ByteReader& reader, routing::Group& group) {
  const std::uint64_t members = reader.varint();
  for (std::uint64_t i = 0; reader.ok() && i < members; ++i) {
    routing::Member& member = group.members[take_fingerprint(reader)];
    member.severity = take_severity(reader);
    member.resolved = reader.varint() != 0;
    member.since = take_time(reader);
  }
  const std::uint64_t told = reader.varint();
  for (std::uint64_t i = 0; reader.ok() && i < told; ++i) {
    const Fingerprint fingerprint = take_fingerprint(reader);
    group.log.firing[fingerprint] = take_severity(reader);
  }
}

// Flags of an incident.
enum IncidentFlag : unsigned {
  kAcknowledgement,
  kReopenAt,
  kManual,
  kSnoozedUntil,
  kSnoozedNews,
  kSeveritySet,
  kStorm,
  kStormUpdateAt,
  kMitigatedAt,
  kReviewedAt,
  kEscalation,
  kDigestAt,
  kPeople,  ///< What few incidents have: words, parts, relations.
};

/// Whether it has any of what put_people() puts.
bool has_people(const Incident& incident) {
  return !incident.resolved_by.empty() || !incident.comment.empty() || !incident.policy.empty() ||
         !incident.owner.empty() || incident.merged_into != 0 || !incident.services.empty() ||
         incident.root != 0 || incident.held_for != 0 || !incident.related.empty();
}

void put_people(const Incident& incident, std::string& out) {
  put_text(incident.resolved_by, out);
  put_text(incident.comment, out);
  put_text(incident.policy, out);
  put_text(incident.owner, out);
  put_signed(base::as_u64(incident.merged_into), out);
  put_varint(incident.services.size(), out);
  for (const std::string& service : incident.services) put_text(service, out);
  put_signed(base::as_u64(incident.root), out);
  put_signed(base::as_u64(incident.held_for), out);
  put_varint(incident.related.size(), out);
  for (const std::int64_t number : incident.related) put_signed(base::as_u64(number), out);
}

void take_people(ByteReader& reader, Incident& incident) {
  incident.resolved_by = take_string(reader);
  incident.comment = take_string(reader);
  incident.policy = take_string(reader);
  incident.owner = take_string(reader);
  incident.merged_into = take_signed(reader);
  for (auto& service : take_list<std::string>(reader, take_string)) {
    incident.services.insert(std::move(service));
  }
  incident.root = take_signed(reader);
  incident.held_for = take_signed(reader);
  incident.related = take_list<std::int64_t>(reader, take_signed);
}

void put_acknowledgement(const Acknowledgement& acknowledgement, std::string& out) {
  put_text(acknowledgement.by, out);
  put_text(acknowledgement.comment, out);
  put_time(acknowledgement.at, out);
  put_time(acknowledgement.until, out);
  put_severity(acknowledgement.severity, out);
}

Acknowledgement take_acknowledgement(ByteReader& reader) {
  Acknowledgement acknowledgement;
  acknowledgement.by = take_string(reader);
  acknowledgement.comment = take_string(reader);
  acknowledgement.at = take_time(reader);
  acknowledgement.until = take_time(reader);
  acknowledgement.severity = take_severity(reader);
  return acknowledgement;
}

Flags flags_of(const Incident& incident) {
  Flags flags;
  flags.set(kAcknowledgement, incident.acknowledgement.has_value());
  flags.set(kReopenAt, incident.reopen_at.has_value()).set(kManual, incident.manual);
  flags.set(kSnoozedUntil, incident.snoozed_until.has_value());
  flags.set(kSnoozedNews, incident.snoozed_news);
  flags.set(kSeveritySet, incident.severity_set.has_value()).set(kStorm, incident.storm);
  flags.set(kStormUpdateAt, incident.storm_update_at.has_value());
  flags.set(kMitigatedAt, incident.mitigated_at.has_value());
  flags.set(kReviewedAt, incident.reviewed_at.has_value());
  flags.set(kEscalation, incident.escalation.has_value());
  flags.set(kDigestAt, incident.digest_at.has_value()).set(kPeople, has_people(incident));
  return flags;
}

std::string incident_body(const Incident& incident) {
  const Flags flags = flags_of(incident);
  std::string out;
  out.reserve(kUsualBytes);
  put_varint(kVersion, out);
  put_varint(flags.bits(), out);
  put_text(incident.route, out);
  put_text(incident.receiver, out);
  put_labels(incident.group_labels, out);
  if (incident.acknowledgement) put_acknowledgement(*incident.acknowledgement, out);
  put_time_if(incident.reopen_at, out);
  put_varint(incident.reopened, out);
  put_signed(base::as_u64(incident.previous), out);
  if (flags.has(kSnoozedUntil)) {
    put_time(*incident.snoozed_until, out);
    put_severity(incident.snoozed_severity, out);
  }
  if (flags.has(kSeveritySet)) {
    put_severity(*incident.severity_set, out);
    put_severity(incident.severity_of_alerts, out);
  }
  put_time_if(incident.storm_update_at, out);
  put_time_if(incident.mitigated_at, out);
  put_time_if(incident.reviewed_at, out);
  put_severity(incident.policy_severity, out);
  put_varint(incident.told.size(), out);
  for (const Address& address : incident.told) {
    put_text(address.receiver, out);
    put_text(address.channel, out);
  }
  if (incident.escalation) {
    put_text(boost::json::serialize(escalation_value(*incident.escalation)), out);
  }
  put_time_if(incident.digest_at, out);
  if (flags.has(kPeople)) put_people(incident, out);
  put_varint(incident.notifications, out);
  put_varint(std::max(incident.events, incident.events_stored), out);
  return out;
}

Result<void> read_incident_bytes(std::string_view body, Incident& incident) {
  ByteReader reader(body);
  take_version(reader);
  const Flags flags(reader.varint());
  incident.route = take_string(reader);
  incident.receiver = take_string(reader);
  incident.group_labels = take_labels(reader);
  if (flags.has(kAcknowledgement)) incident.acknowledgement = take_acknowledgement(reader);
  incident.reopen_at = take_time_if(flags.has(kReopenAt), reader);
  incident.reopened = static_cast<std::uint32_t>(reader.varint());
  incident.previous = take_signed(reader);
  incident.manual = flags.has(kManual);
  incident.snoozed_until = take_time_if(flags.has(kSnoozedUntil), reader);
  if (flags.has(kSnoozedUntil)) incident.snoozed_severity = take_severity(reader);
  incident.snoozed_news = flags.has(kSnoozedNews);
  if (flags.has(kSeveritySet)) {
    incident.severity_set = take_severity(reader);
    incident.severity_of_alerts = take_severity(reader);
  }
  incident.storm = flags.has(kStorm);
  incident.storm_update_at = take_time_if(flags.has(kStormUpdateAt), reader);
  incident.mitigated_at = take_time_if(flags.has(kMitigatedAt), reader);
  incident.reviewed_at = take_time_if(flags.has(kReviewedAt), reader);
  incident.policy_severity = take_severity(reader);
  const std::uint64_t told = reader.varint();
  for (std::uint64_t i = 0; reader.ok() && i < told; ++i) {
    std::string receiver = take_string(reader);
    incident.told.insert({std::move(receiver), take_string(reader)});
  }
  if (flags.has(kEscalation)) {
    const std::string_view text = reader.text();
    if (!reader.ok()) return damaged("incident", incident.id());
    TC_TRY(const boost::json::object object, parse_object(text, "escalation"));
    TC_TRY(incident.escalation, read_escalation(object));
  }
  incident.digest_at = take_time_if(flags.has(kDigestAt), reader);
  if (flags.has(kPeople)) take_people(reader, incident);
  incident.notifications = reader.varint();
  incident.events = incident.events_stored = reader.varint();
  return reader.ok() ? base::ok() : Result<void>(damaged("incident", incident.id()));
}

Result<model::Alert> alert_from_body(const Record& record) {
  if (is_json(record.body)) return alert_from_json(record.body);
  ByteReader reader(record.body);
  take_version(reader);
  model::Alert alert = take_alert(reader);
  if (!reader.ok()) return damaged("alert", record.key);
  return alert;
}

}  // namespace

std::string alert_key(Fingerprint fingerprint) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string key(2 * sizeof fingerprint, '0');
  for (auto digit = key.rbegin(); digit != key.rend(); ++digit, fingerprint >>= 4U) {
    *digit = kDigits[fingerprint & 0xfU];
  }
  return key;
}

Record alert_record(const model::Alert& alert, Fingerprint fingerprint) {
  Record record{alert_key(fingerprint), {}};
  record.body.reserve(kUsualBytes);
  put_varint(kVersion, record.body);
  put_alert(alert, record.body);
  return record;
}

Result<model::Alert> alert_from_record(const Record& record) {
  TC_TRY(model::Alert alert, alert_from_body(record));
  if (alert_key(alert.fingerprint()) != record.key) {
    return base::error(
        base::ErrorCode::Corruption,
        fmt::format("stored alert {}: its labels have another fingerprint", record.key));
  }
  return alert;
}

Record group_record(const routing::Group& group) {
  Record record{std::string(group.key), {}};
  std::string& out = record.body;
  out.reserve(kUsualBytes);
  Flags flags;
  flags.set(kWaited, group.waited).set(kEarlyTurn, group.early_turn.has_value());
  flags.set(kGroupResolvedAt, group.resolved_at.has_value());
  flags.set(kRepeatsHeld, group.repeats_held);
  put_varint(kVersion, out);
  put_varint(flags.bits(), out);
  put_text(group.route, out);
  put_text(group.receiver, out);
  put_labels(group.labels, out);
  put_members(group, out);
  put_time_if(group.early_turn, out);
  put_time_if(group.resolved_at, out);
  put_time(group.log.at, out);
  put_time(group.created_at, out);
  put_time(group.next_turn, out);
  return record;
}

Result<routing::Group> group_from_record(const Record& record) {
  if (is_json(record.body)) {
    TC_TRY(routing::Group group, group_from_json(record.body));
    group.key = record.key;
    return group;
  }
  ByteReader reader(record.body);
  take_version(reader);
  const Flags flags(reader.varint());
  routing::Group group;
  group.key = record.key;
  group.waited = flags.has(kWaited);
  group.repeats_held = flags.has(kRepeatsHeld);
  group.route = take_string(reader);
  group.receiver = take_string(reader);
  group.labels = take_labels(reader);
  take_members(reader, group);
  group.early_turn = take_time_if(flags.has(kEarlyTurn), reader);
  group.resolved_at = take_time_if(flags.has(kGroupResolvedAt), reader);
  group.log.at = take_time(reader);
  group.created_at = take_time(reader);
  group.next_turn = take_time(reader);
  if (!reader.ok()) return damaged("group", record.key);
  return group;
}

IncidentRecord incident_record(const Incident& incident) {
  IncidentRecord record;
  record.id = incident.id();
  record.number = incident.number;
  record.group_key = incident.group_key;
  record.title = incident.title;
  record.state = incident.state;
  record.severity = incident.severity;
  record.peak_severity = incident.peak_severity;
  record.opened_at = incident.opened_at;
  record.updated_at = incident.updated_at;
  record.resolved_at = incident.resolved_at;
  record.body = incident_body(incident);
  return record;
}

Result<Incident> incident_from_record(const IncidentRecord& record) {
  Incident incident;
  incident.number = record.number;
  incident.group_key = record.group_key;
  incident.title = record.title;
  incident.state = record.state;
  incident.severity = record.severity;
  incident.peak_severity = record.peak_severity;
  incident.opened_at = record.opened_at;
  incident.updated_at = record.updated_at;
  incident.resolved_at = record.resolved_at;
  TC_TRY(is_json(record.body) ? read_incident_json(record.body, incident)
                              : read_incident_bytes(record.body, incident));
  return incident;
}

}  // namespace tocsin::incident
