#include "alertd/incident/json_codec.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <charconv>

#include "alertd/incident/escalation_codec.h"
#include "alertd/incident/json_values.h"
#include "common/base/json_text.h"

namespace tocsin::incident {

namespace json = boost::json;
using base::ErrorCode;
using base::Result;
using routing::Fingerprint;

namespace {

base::Error corrupt(std::string message) {
  return base::error(ErrorCode::Corruption, std::move(message));
}

std::optional<Fingerprint> parse_key(std::string_view text) {
  Fingerprint value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

using base::JsonText;

void set_time(JsonText& json, std::string_view name, const std::optional<base::WallTime>& time) {
  if (time) json.field(name, base::to_ms(*time));
}

void write_labels(JsonText& json, std::string_view name, const model::Labels& labels) {
  json.key(name).begin_object();
  for (const auto& label : labels) json.field(label.name, label.value);
  json.end_object();
}

void write_members(JsonText& json, const routing::Group& group) {
  json.key("members").begin_object();
  for (const auto& [fingerprint, member] : group.members) {
    json.key(alert_key(fingerprint)).begin_object();
    json.field("severity", model::to_string(member.severity));
    if (member.resolved) json.field("resolved", true);
    json.field("since", base::to_ms(member.since)).end_object();
  }
  json.end_object();
}

Result<void> read_members(const json::object& object, routing::Group& group) {
  for (const auto& field : object) {
    const auto fingerprint = parse_key(field.key());
    const json::object* value = field.value().if_object();
    if (!fingerprint || !value) return corrupt("stored group: bad member");
    FieldReader reader(*value);
    routing::Member& member = group.members[*fingerprint];
    member.severity = reader.word("severity", model::parse_severity);
    member.resolved = reader.boolean("resolved");
    member.since = reader.time("since");
    TC_TRY(reader.finish("group's member"));
  }
  return base::ok();
}

Result<void> read_told(const json::object& object, routing::NotifyLog& log) {
  for (const auto& field : object) {
    const auto fingerprint = parse_key(field.key());
    const json::string* text = field.value().if_string();
    const auto severity = text ? model::parse_severity(std::string_view(*text)) : std::nullopt;
    if (!fingerprint || !severity) return corrupt("stored group: bad notification log");
    log.firing[*fingerprint] = *severity;
  }
  return base::ok();
}

void write_acknowledgement(JsonText& json, const Acknowledgement& acknowledgement) {
  json.key("acknowledgement").begin_object();
  json.field("by", acknowledgement.by).field("comment", acknowledgement.comment);
  json.field("at", base::to_ms(acknowledgement.at));
  json.field("until", base::to_ms(acknowledgement.until));
  json.field("severity", model::to_string(acknowledgement.severity)).end_object();
}

Result<Acknowledgement> read_acknowledgement(const json::object& object) {
  FieldReader reader(object);
  Acknowledgement acknowledgement;
  acknowledgement.by = reader.string("by");
  acknowledgement.comment = reader.string("comment");
  acknowledgement.at = reader.time("at");
  acknowledgement.until = reader.time("until");
  acknowledgement.severity = reader.word("severity", model::parse_severity);
  TC_TRY(reader.finish("acknowledgement"));
  return acknowledgement;
}

/// What persons made of the incident.
void write_people(const Incident& incident, JsonText& json) {
  if (incident.manual) json.field("manual", true);
  json.text_field("policy", incident.policy).text_field("owner", incident.owner);
  if (incident.snoozed_until) {
    set_time(json, "snoozed_until", incident.snoozed_until);
    json.field("snoozed_severity", model::to_string(incident.snoozed_severity));
    if (incident.snoozed_news) json.field("snoozed_news", true);
  }
  if (incident.severity_set) {
    json.field("severity_set", model::to_string(*incident.severity_set));
    json.field("severity_of_alerts", model::to_string(incident.severity_of_alerts));
  }
  if (incident.merged_into != 0) json.field("merged_into", incident.merged_into);
  const auto list = [&json](std::string_view name, const auto& values) {
    if (values.empty()) return;
    json.key(name).begin_array();
    for (const auto& value : values) json.value(value);
    json.end_array();
  };
  list("services", incident.services);
  if (incident.root != 0) json.field("root", incident.root);
  if (incident.held_for != 0) json.field("held_for", incident.held_for);
  list("related", incident.related);
  if (incident.storm) json.field("storm", true);
  set_time(json, "storm_update_at", incident.storm_update_at);
  set_time(json, "mitigated_at", incident.mitigated_at);
  set_time(json, "reviewed_at", incident.reviewed_at);
}

std::string incident_body(const Incident& incident) {
  std::string body;
  JsonText json(body);
  json.begin_object().field("route", incident.route).field("receiver", incident.receiver);
  write_labels(json, "group_labels", incident.group_labels);
  if (incident.acknowledgement) write_acknowledgement(json, *incident.acknowledgement);
  json.text_field("resolved_by", incident.resolved_by).text_field("comment", incident.comment);
  set_time(json, "reopen_at", incident.reopen_at);
  json.field("reopened", incident.reopened).field("previous", incident.previous);
  write_people(incident, json);
  json.field("policy_severity", model::to_string(incident.policy_severity));
  if (!incident.told.empty()) {
    json.key("told").begin_array();
    for (const Address& address : incident.told) {
      json.begin_array().value(address.receiver).value(address.channel).end_array();
    }
    json.end_array();
  }
  if (incident.escalation) {
    json.key("escalation").raw(json::serialize(escalation_value(*incident.escalation)));
  }
  set_time(json, "digest_at", incident.digest_at);
  json.field("notifications", incident.notifications).field("events", incident.events);
  json.end_object();
  return body;
}

void read_people(const json::object& object, FieldReader& reader, Incident& incident) {
  incident.manual = reader.boolean("manual");
  incident.policy = reader.string("policy");
  incident.owner = reader.string("owner");
  incident.snoozed_until = reader.optional_time("snoozed_until");
  if (incident.snoozed_until) {
    incident.snoozed_severity = reader.word("snoozed_severity", model::parse_severity);
    incident.snoozed_news = reader.boolean("snoozed_news");
  }
  if (object.contains("severity_set")) {
    incident.severity_set = reader.word("severity_set", model::parse_severity);
    incident.severity_of_alerts = reader.word("severity_of_alerts", model::parse_severity);
  }
  incident.merged_into = reader.integer("merged_into");
  const json::array* services = reader.array("services");
  for (std::size_t i = 0; services && i < services->size(); ++i) {
    if (const json::string* name = (*services)[i].if_string()) {
      incident.services.emplace(*name);
    }
  }
  const json::array* related = reader.array("related");
  for (std::size_t i = 0; related && i < related->size(); ++i) {
    if ((*related)[i].is_int64()) incident.related.push_back((*related)[i].get_int64());
  }
  incident.root = reader.integer("root");
  incident.held_for = reader.integer("held_for");
  incident.storm = reader.boolean("storm");
  incident.storm_update_at = reader.optional_time("storm_update_at");
  incident.mitigated_at = reader.optional_time("mitigated_at");
  incident.reviewed_at = reader.optional_time("reviewed_at");
}

}  // namespace

std::string alert_key(Fingerprint fingerprint) {
  return fmt::format("{:016x}", fingerprint);
}

Record alert_record(const model::Alert& alert) {
  Record record{alert_key(alert.fingerprint()), {}};
  JsonText json(record.body);
  json.begin_object();
  write_labels(json, "labels", alert.labels);
  if (!alert.annotations.empty()) write_labels(json, "annotations", alert.annotations);
  json.field("severity", model::to_string(alert.severity));
  json.field("starts_at", base::to_ms(alert.starts_at));
  set_time(json, "ends_at", alert.ends_at);
  json.field("valid_until", base::to_ms(alert.valid_until));
  json.field("updated_at", base::to_ms(alert.updated_at));
  if (alert.value) json.key("value").raw(json::serialize(number_value(*alert.value)));
  json.text_field("generator_url", alert.generator_url);
  json.text_field("rule_source", alert.rule_source).end_object();
  return record;
}

Result<model::Alert> alert_from_record(const Record& record) {
  TC_TRY(const json::object object, parse_object(record.body, "alert"));
  TC_TRY(model::Alert alert, read_alert(object));
  if (alert_key(alert.fingerprint()) != record.key) {
    return corrupt(fmt::format("stored alert {}: its labels have another fingerprint", record.key));
  }
  return alert;
}

Record group_record(const routing::Group& group) {
  Record record{group.key, {}};
  JsonText json(record.body);
  json.begin_object().field("route", group.route).field("receiver", group.receiver);
  write_labels(json, "labels", group.labels);
  write_members(json, group);
  json.key("told").begin_object();
  for (const auto& [fingerprint, severity] : group.log.firing) {
    json.field(alert_key(fingerprint), model::to_string(severity));
  }
  json.end_object().field("told_at", base::to_ms(group.log.at));
  json.field("created_at", base::to_ms(group.created_at));
  if (group.waited) json.field("waited", true);
  json.field("next_turn", base::to_ms(group.next_turn));
  set_time(json, "early_turn", group.early_turn);
  set_time(json, "resolved_at", group.resolved_at);
  if (group.repeats_held) json.field("repeats_held", true);
  json.end_object();
  return record;
}

Result<routing::Group> group_from_record(const Record& record) {
  TC_TRY(const json::object object, parse_object(record.body, "group"));
  FieldReader reader(object);
  routing::Group group;
  group.key = record.key;
  group.route = reader.string("route");
  group.receiver = reader.string("receiver");
  group.labels = reader.labels("labels");
  if (const json::object* members = reader.object("members")) TC_TRY(read_members(*members, group));
  if (const json::object* told = reader.object("told")) TC_TRY(read_told(*told, group.log));
  group.log.at = reader.time("told_at");
  group.created_at = reader.time("created_at");
  group.waited = reader.boolean("waited");
  group.next_turn = reader.time("next_turn");
  group.early_turn = reader.optional_time("early_turn");
  group.resolved_at = reader.optional_time("resolved_at");
  group.repeats_held = reader.boolean("repeats_held");
  TC_TRY(reader.finish("group"));
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
  TC_TRY(const json::object object, parse_object(record.body, "incident"));
  FieldReader reader(object);
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
  incident.route = reader.string("route");
  incident.receiver = reader.string("receiver");
  incident.group_labels = reader.labels("group_labels");
  if (const json::object* acknowledgement = reader.object("acknowledgement")) {
    TC_TRY(incident.acknowledgement, read_acknowledgement(*acknowledgement));
  }
  incident.resolved_by = reader.string("resolved_by");
  incident.comment = reader.string("comment");
  incident.reopen_at = reader.optional_time("reopen_at");
  incident.reopened = static_cast<std::uint32_t>(reader.unsigned_integer("reopened"));
  incident.previous = reader.integer("previous");
  read_people(object, reader, incident);
  if (object.contains("policy_severity")) {
    incident.policy_severity = reader.word("policy_severity", model::parse_severity);
  }
  TC_TRY(incident.told, read_addresses(reader.array("told")));
  if (const json::object* escalation = reader.object("escalation")) {
    TC_TRY(incident.escalation, read_escalation(*escalation));
  }
  incident.digest_at = reader.optional_time("digest_at");
  incident.notifications = reader.unsigned_integer("notifications");
  incident.events = reader.unsigned_integer("events");
  TC_TRY(reader.finish("incident"));
  return incident;
}

}  // namespace tocsin::incident
