#include "alertd/incident/json_codec.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <charconv>

#include "alertd/incident/escalation_codec.h"
#include "alertd/incident/json_values.h"

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

void set_time(json::object& object, std::string_view name,
              const std::optional<base::WallTime>& time) {
  if (time) object[name] = base::to_ms(*time);
}

json::object members_value(const routing::Group& group) {
  json::object members;
  for (const auto& [fingerprint, member] : group.members) {
    json::object value;
    value["severity"] = model::to_string(member.severity);
    if (member.resolved) value["resolved"] = true;
    value["since"] = base::to_ms(member.since);
    members[alert_key(fingerprint)] = std::move(value);
  }
  return members;
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

json::object acknowledgement_value(const Acknowledgement& acknowledgement) {
  json::object object;
  object["by"] = acknowledgement.by;
  object["comment"] = acknowledgement.comment;
  object["at"] = base::to_ms(acknowledgement.at);
  object["until"] = base::to_ms(acknowledgement.until);
  object["severity"] = model::to_string(acknowledgement.severity);
  return object;
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
void write_people(const Incident& incident, json::object& object) {
  if (incident.manual) object["manual"] = true;
  if (!incident.policy.empty()) object["policy"] = incident.policy;
  if (!incident.owner.empty()) object["owner"] = incident.owner;
  if (incident.snoozed_until) {
    set_time(object, "snoozed_until", incident.snoozed_until);
    object["snoozed_severity"] = model::to_string(incident.snoozed_severity);
    if (incident.snoozed_news) object["snoozed_news"] = true;
  }
  if (incident.severity_set) {
    object["severity_set"] = model::to_string(*incident.severity_set);
    object["severity_of_alerts"] = model::to_string(incident.severity_of_alerts);
  }
  if (incident.merged_into != 0) object["merged_into"] = incident.merged_into;
  json::array services;
  for (const std::string& service : incident.services) services.emplace_back(service);
  if (!services.empty()) object["services"] = std::move(services);
  if (incident.root != 0) object["root"] = incident.root;
  if (incident.held_for != 0) object["held_for"] = incident.held_for;
  if (!incident.related.empty()) {
    object["related"] = json::array(incident.related.begin(), incident.related.end());
  }
  if (incident.storm) object["storm"] = true;
  set_time(object, "storm_update_at", incident.storm_update_at);
  set_time(object, "mitigated_at", incident.mitigated_at);
  set_time(object, "reviewed_at", incident.reviewed_at);
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
  return {alert_key(alert.fingerprint()), json::serialize(alert_value(alert))};
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
  json::object object;
  object["route"] = group.route;
  object["receiver"] = group.receiver;
  object["labels"] = labels_value(group.labels);
  object["members"] = members_value(group);
  json::object told;
  for (const auto& [fingerprint, severity] : group.log.firing) {
    told[alert_key(fingerprint)] = model::to_string(severity);
  }
  object["told"] = std::move(told);
  object["told_at"] = base::to_ms(group.log.at);
  object["created_at"] = base::to_ms(group.created_at);
  if (group.waited) object["waited"] = true;
  object["next_turn"] = base::to_ms(group.next_turn);
  set_time(object, "early_turn", group.early_turn);
  set_time(object, "resolved_at", group.resolved_at);
  if (group.repeats_held) object["repeats_held"] = true;
  return {group.key, json::serialize(object)};
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
  json::object object;
  object["route"] = incident.route;
  object["receiver"] = incident.receiver;
  object["group_labels"] = labels_value(incident.group_labels);
  if (incident.acknowledgement) {
    object["acknowledgement"] = acknowledgement_value(*incident.acknowledgement);
  }
  if (!incident.resolved_by.empty()) object["resolved_by"] = incident.resolved_by;
  if (!incident.comment.empty()) object["comment"] = incident.comment;
  set_time(object, "reopen_at", incident.reopen_at);
  object["reopened"] = incident.reopened;
  object["previous"] = incident.previous;
  write_people(incident, object);
  object["policy_severity"] = model::to_string(incident.policy_severity);
  if (!incident.told.empty()) object["told"] = addresses_value(incident.told);
  if (incident.escalation) object["escalation"] = escalation_value(*incident.escalation);
  set_time(object, "digest_at", incident.digest_at);
  object["notifications"] = incident.notifications;
  object["events"] = incident.events;
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
  record.body = json::serialize(object);
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
