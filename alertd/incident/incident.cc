#include "alertd/incident/incident.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace tocsin::incident {

using base::ErrorCode;
using base::Result;

std::string Incident::incident_id(std::int64_t number) {
  std::array<char, 24> text{'T', '-'};
  const auto end = std::to_chars(text.data() + 2, text.data() + text.size(), number).ptr;
  return {text.data(), end};
}

void add_event(Incident& incident, base::WallTime now, std::string kind, std::string actor,
               std::string text, Timeline& timeline) {
  TimelineEvent event;
  event.incident_id = incident.id();
  event.sequence = ++incident.events;
  event.at = now;
  event.kind = std::move(kind);
  event.actor = std::move(actor);
  event.text = std::move(text);
  incident.updated_at = std::max(incident.updated_at, now);
  timeline.push_back(std::move(event));
}

void set_severity(Incident& incident, model::Severity severity, base::WallTime now,
                  Timeline& timeline) {
  if (severity == incident.severity) return;
  add_event(
      incident, now, severity > incident.severity ? "severity_raised" : "severity_lowered", "",
      fmt::format("{} -> {}", model::to_string(incident.severity), model::to_string(severity)),
      timeline);
  incident.severity = severity;
  incident.peak_severity = std::max(incident.peak_severity, severity);
}

Result<void> must_be_open(const Incident& incident) {
  if (!incident.resolved()) return base::ok();
  return base::error(ErrorCode::InvalidArgument,
                     fmt::format("incident {} is resolved already", incident.id()));
}

Result<void> acknowledge(Incident& incident, Acknowledgement acknowledgement, Timeline& timeline) {
  TC_TRY(must_be_open(incident));
  add_event(incident, acknowledgement.at, "acknowledged", acknowledgement.by,
            fmt::format("until {}{}{}", base::format_rfc3339(acknowledgement.until),
                        acknowledgement.comment.empty() ? "" : ": ", acknowledgement.comment),
            timeline);
  incident.state = IncidentState::Acknowledged;
  incident.acknowledgement = std::move(acknowledgement);
  return base::ok();
}

void unacknowledge(Incident& incident, base::WallTime now, std::string why, std::string actor,
                   Timeline& timeline) {
  std::string text = incident.acknowledgement
                         ? fmt::format("was acknowledged by {}", incident.acknowledgement->by)
                         : "";
  incident.state = IncidentState::Open;
  incident.acknowledgement.reset();
  add_event(incident, now, std::move(why), std::move(actor), std::move(text), timeline);
}

Result<void> resolve(Incident& incident, base::WallTime now, std::string actor, std::string comment,
                     Timeline& timeline) {
  TC_TRY(must_be_open(incident));
  incident.state = IncidentState::Resolved;
  // What a person or the incident itself had put off is over with it.
  incident.acknowledgement.reset();
  incident.snoozed_until.reset();
  incident.severity_set.reset();
  incident.held_for = 0;
  if (incident.escalation) incident.escalation->waiting.clear();
  incident.resolved_at = now;
  incident.resolved_by = actor;
  incident.comment = comment;
  add_event(incident, now, "resolved", std::move(actor), std::move(comment), timeline);
  return base::ok();
}

void reopen(Incident& incident, base::WallTime now, std::string text, Timeline& timeline) {
  incident.state = IncidentState::Open;
  incident.resolved_at.reset();
  incident.resolved_by = {};
  incident.comment = {};
  incident.reopen_at.reset();
  ++incident.reopened;
  add_event(incident, now, "reopened", "", std::move(text), timeline);
}

IncidentSettings read_incident_settings(config::Table& table) {
  IncidentSettings settings;
  config::Table ack = table.table("ack_expiry");
  for (const model::Severity severity : model::kSeverities) {
    base::Duration& expiry = settings.ack_expiry[static_cast<std::size_t>(severity)];
    const std::string_view key = model::to_string(severity);
    expiry = ack.duration(key, expiry);
    if (expiry < std::chrono::minutes(1)) ack.error(key, "must be at least 1m");
  }
  ack.finish();
  settings.manual_hold = table.duration("manual_hold", settings.manual_hold);
  settings.reopen_window = table.duration("reopen_window", settings.reopen_window);
  settings.startup_grace = table.duration("startup_grace", settings.startup_grace);
  settings.history = table.duration("history", settings.history);
  if (settings.history < settings.reopen_window) {
    table.error("history", "must not be shorter than reopen_window");
  }
  settings.decisions = table.duration("decisions", settings.decisions);
  if (settings.decisions < std::chrono::hours(1)) {
    table.error("decisions", "must be at least 1h", "30d answers for the last 30 days");
  }
  settings.hold_dependents = table.boolean("hold_dependents", settings.hold_dependents);
  settings.change_window = table.duration("change_window", settings.change_window);
  settings.storm_incidents = static_cast<std::size_t>(table.integer(
      "storm_incidents", static_cast<std::int64_t>(settings.storm_incidents), 0, 100'000));
  settings.storm_window = table.duration("storm_window", settings.storm_window);
  if (settings.storm_window < std::chrono::seconds(1)) {
    table.error("storm_window", "must be at least 1s");
  }
  settings.fleet_hosts = static_cast<std::size_t>(table.integer("fleet_hosts", 0, 0, 10'000'000));
  settings.alerts_per_notification = static_cast<std::size_t>(
      table.integer("alerts_per_notification",
                    static_cast<std::int64_t>(settings.alerts_per_notification), 1, 10'000));
  table.finish();
  return settings;
}

}  // namespace tocsin::incident
