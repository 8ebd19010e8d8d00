#include "alertd/incident/json_codec.h"

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

Result<model::Alert> alert_from_json(std::string_view body) {
  TC_TRY(const json::object object, parse_object(body, "alert"));
  return read_alert(object);
}

Result<routing::Group> group_from_json(std::string_view body) {
  TC_TRY(const json::object object, parse_object(body, "group"));
  FieldReader reader(object);
  routing::Group group;
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

Result<void> read_incident_json(std::string_view body, Incident& incident) {
  TC_TRY(const json::object object, parse_object(body, "incident"));
  FieldReader reader(object);
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
  return reader.finish("incident");
}

}  // namespace tocsin::incident
