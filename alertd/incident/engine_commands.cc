// The engine's commands: what a person does to an incident.
#include <fmt/format.h>

#include "alertd/incident/engine.h"
#include "alertd/incident/json_codec.h"

namespace tocsin::incident {

using base::ErrorCode;
using base::Result;

Result<IncidentRecord> Engine::on_command(const Command& command) {
  Incident* incident = find(command.incident_id);
  if (!incident) {
    return base::error(ErrorCode::NotFound,
                       fmt::format("there is no open incident '{}'", command.incident_id));
  }
  if (command.actor.empty()) {
    return base::error(ErrorCode::InvalidArgument, "the name of the person is missing");
  }
  constexpr std::size_t kCommentMax = 4096;
  if (command.comment.size() > kCommentMax) {
    return base::error(ErrorCode::LimitExceeded, fmt::format("comment is {} bytes, limit {}",
                                                             command.comment.size(), kCommentMax));
  }
  TC_TRY(apply(command, *incident));
  changed_.insert(incident->number);
  return incident_record(*incident);
}

Result<void> Engine::apply(const Command& command, Incident& incident) {
  switch (command.kind) {
    case Command::Kind::Acknowledge:
      return apply_acknowledge(command, incident);
    case Command::Kind::Resolve:
      return apply_resolve(command, incident);
    case Command::Kind::Unacknowledge:
      if (incident.state != IncidentState::Acknowledged) {
        return base::error(ErrorCode::InvalidArgument,
                           fmt::format("incident {} is not acknowledged", incident.id()));
      }
      unacknowledge(incident, now_, "unacknowledged", command.actor, result_.change.events);
      pipeline_.hold_repeats(incident.group_key, false);
      if (incident.escalation) set_due(incident);
      return base::ok();
    case Command::Kind::Comment:
      if (command.comment.empty()) {
        return base::error(ErrorCode::InvalidArgument, "the comment is empty");
      }
      add_event(incident, now_, "comment", command.actor, command.comment, result_.change.events);
      return base::ok();
  }
  return base::error(ErrorCode::InvalidArgument, "unknown command");
}

Result<void> Engine::apply_acknowledge(const Command& command, Incident& incident) {
  const base::Duration expiry = command.expires_in.value_or(
      settings_.ack_expiry[static_cast<std::size_t>(incident.severity)]);
  if (expiry < std::chrono::minutes(1) || expiry > std::chrono::hours(24 * 7)) {
    return base::error(ErrorCode::InvalidArgument,
                       fmt::format("acknowledgement for {}: must be from 1m to 7d",
                                   base::format_duration(expiry)));
  }
  const bool first = incident.state == IncidentState::Open;
  Acknowledgement acknowledgement;
  acknowledgement.by = command.actor;
  acknowledgement.comment = command.comment;
  acknowledgement.at = now_;
  acknowledgement.until = now_ + expiry;
  acknowledgement.severity = incident.severity;
  TC_TRY(acknowledge(incident, std::move(acknowledgement), result_.change.events));
  pipeline_.hold_repeats(incident.group_key, true);
  stop_escalation(incident);
  if (first) {
    tell_told(
        incident,
        {NotificationKind::Acknowledged, Reason::Acknowledged, alerts_of(incident.group_key), {}});
  }
  return base::ok();
}

Result<void> Engine::apply_resolve(const Command& command, Incident& incident) {
  AlertSet alerts = alerts_of(incident.group_key);
  TC_TRY(resolve(incident, now_, command.actor, command.comment, result_.change.events));
  if (!alerts.firing.empty()) incident.reopen_at = now_ + settings_.manual_hold;
  pipeline_.hold_repeats(incident.group_key, false);
  tell_resolved(incident, Reason::ResolvedByPerson, std::move(alerts));
  return base::ok();
}

}  // namespace tocsin::incident
