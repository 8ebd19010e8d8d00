// The engine's commands beyond acknowledging: snooze, incidents made by hand, severity, owner,
// states after the fight.
#include <fmt/format.h>

#include <algorithm>

#include "alertd/incident/engine.h"
#include "alertd/incident/record_codec.h"

namespace tocsin::incident {

using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kTitleMax = 500;
constexpr std::size_t kNameMax = 200;
constexpr base::Duration kSnoozeMax = std::chrono::hours(24 * 30);

}  // namespace

Result<void> Engine::apply_snooze(const Command& command, Incident& incident) {
  TC_TRY(must_be_open(incident));
  const base::Duration length = command.expires_in.value_or(std::chrono::hours(1));
  if (length < std::chrono::minutes(1) || length > kSnoozeMax) {
    return invalid(
        fmt::format("snooze for {}: must be from 1m to 30d", base::format_duration(length)));
  }
  incident.snoozed_until = now_ + length;
  incident.snoozed_severity = incident.severity;
  add_event(incident, now_, "snoozed", command.actor,
            fmt::format("until {}{}{}", base::format_rfc3339(*incident.snoozed_until),
                        command.comment.empty() ? "" : ": ", command.comment),
            result_.change.events);
  stop_escalation(incident);
  pipeline_.hold_repeats(incident.group_key, true);
  return base::ok();
}

void Engine::end_snooze(Incident& incident, std::string_view why) {
  incident.snoozed_until.reset();
  add_event(incident, now_, "snooze_ended", "", std::string(why), result_.change.events);
  if (!incident.acknowledgement) pipeline_.hold_repeats(incident.group_key, false);
  changed_.insert(incident.number);
}

Result<void> Engine::apply_severity(const Command& command, Incident& incident) {
  TC_TRY(must_be_open(incident));
  const bool raised = command.severity > incident.severity;
  const routing::Group* group = group_of(incident);
  incident.severity_set = command.severity;
  incident.severity_of_alerts = with_parts(incident, group ? group->severity() : command.severity);
  add_event(incident, now_, "severity_set", command.actor,
            fmt::format("{}{}{}", model::to_string(command.severity),
                        command.comment.empty() ? "" : ": ", command.comment),
            result_.change.events);
  set_severity(incident, command.severity, now_, result_.change.events);
  if (raised && alive(incident))
    tell_update(incident, update_message(incident, Reason::SeverityRaised));
  return base::ok();
}

Result<void> Engine::apply_owner(const Command& command, Incident& incident) {
  const std::string& owner = command.target.empty() ? command.actor : command.target;
  if (owner.size() > kNameMax) return invalid("the name of the owner is longer than 200 bytes");
  add_event(incident, now_, "owner", command.actor,
            incident.owner.empty() ? owner : fmt::format("{} -> {}", incident.owner, owner),
            result_.change.events);
  incident.owner = owner;
  return base::ok();
}

Result<void> Engine::apply_mitigate(const Command& command, Incident& incident) {
  TC_TRY(must_be_open(incident));
  incident.mitigated_at = now_;
  add_event(incident, now_, "mitigated", command.actor, command.comment, result_.change.events);
  // Whoever mitigates works on it.
  if (incident.acknowledgement) return base::ok();
  return apply_acknowledge(command, incident);
}

Result<void> Engine::apply_review(const Command& command, Incident& incident) {
  if (!incident.resolved()) {
    return invalid(fmt::format("incident {} is not resolved", incident.id()));
  }
  incident.reviewed_at = now_;
  add_event(incident, now_, "reviewed", command.actor, command.comment, result_.change.events);
  return base::ok();
}

Result<IncidentRecord> Engine::create(const Command& command) {
  if (command.title.empty()) return invalid("the title is missing");
  if (command.title.size() > kTitleMax) {
    return base::error(ErrorCode::LimitExceeded,
                       fmt::format("title is {} bytes, limit {}", command.title.size(), kTitleMax));
  }
  const routing::Route& root = pipeline_.routing().root;
  const std::string receiver = command.receiver.empty() ? root.receiver : command.receiver;
  if (!settings_.receivers.contains(receiver)) {
    return invalid(fmt::format("there is no receiver '{}'", receiver));
  }
  if (!command.policy.empty() && !settings_.policies.by_name.contains(command.policy)) {
    return invalid(fmt::format("there is no policy '{}'", command.policy));
  }
  Incident& incident = add_manual(command.title, command.severity, receiver);
  incident.group_labels = command.labels;
  remember_labels(incident);
  incident.policy = command.policy;
  incident.owner = command.actor;
  add_event(incident, now_, "opened", command.actor,
            fmt::format("{}: {}", model::to_string(incident.severity), incident.title),
            result_.change.events);
  if (!command.comment.empty()) {
    add_event(incident, now_, "comment", command.actor, command.comment, result_.change.events);
  }
  Message message = update_message(incident, Reason::FirstNotification);
  message.kind = NotificationKind::Firing;
  tell_begin(incident, std::move(message));
  return incident_record(incident);
}

Incident& Engine::add_manual(std::string title, model::Severity severity,
                             const std::string& receiver) {
  Incident incident;
  incident.number = ++last_number_;
  incident.manual = true;
  incident.group_key = "manual:" + incident.id();
  incident.route = pipeline_.routing().root.name;
  incident.receiver = receiver;
  incident.title = std::move(title);
  incident.severity = incident.peak_severity = incident.policy_severity = severity;
  incident.opened_at = incident.updated_at = now_;
  changed_.insert(incident.number);
  return incidents_.add(std::move(incident));
}

}  // namespace tocsin::incident
