// The engine's commands: what a person does to an incident.
#include <fmt/format.h>

#include "alertd/incident/engine.h"
#include "alertd/incident/record_codec.h"

namespace tocsin::incident {

using base::ErrorCode;
using base::Result;

std::string_view to_string(Command::Kind kind) {
  switch (kind) {
    case Command::Kind::Acknowledge:
      return "acknowledge";
    case Command::Kind::Unacknowledge:
      return "unacknowledge";
    case Command::Kind::Resolve:
      return "resolve";
    case Command::Kind::Comment:
      return "comment";
    case Command::Kind::Create:
      return "create";
    case Command::Kind::Snooze:
      return "snooze";
    case Command::Kind::Unsnooze:
      return "unsnooze";
    case Command::Kind::Merge:
      return "merge";
    case Command::Kind::Unmerge:
      return "unmerge";
    case Command::Kind::Severity:
      return "severity";
    case Command::Kind::Owner:
      return "owner";
    case Command::Kind::Mitigate:
      return "mitigate";
    case Command::Kind::Review:
      return "review";
    case Command::Kind::AddChange:
      return "change.add";
    case Command::Kind::PutOverride:
      return "override.put";
    case Command::Kind::RemoveOverride:
      return "override.remove";
    case Command::Kind::Report:
      return "report";
    case Command::Kind::News:
      return "news";
  }
  return "";
}

Result<IncidentRecord> Engine::on_command(const Command& command) {
  auto reply = run_command(command);
  if (reply) {
    const bool about_report =
        command.kind == Command::Kind::Report || command.kind == Command::Kind::News;
    result_.change.audit.push_back(
        {now_, command.actor, command.source, std::string(to_string(command.kind)),
         about_report ? command.incident_id : reply->id, audit_text(command)});
  }
  return reply;
}

Result<IncidentRecord> Engine::run_command(const Command& command) {
  if (command.actor.empty()) {
    return base::error(ErrorCode::InvalidArgument, "the name of the person is missing");
  }
  constexpr std::size_t kCommentMax = 4096;
  if (command.comment.size() > kCommentMax) {
    return base::error(ErrorCode::LimitExceeded, fmt::format("comment is {} bytes, limit {}",
                                                             command.comment.size(), kCommentMax));
  }
  if (command.kind == Command::Kind::Create) return create(command);
  if (command.kind == Command::Kind::AddChange) return add_change(command);
  if (command.kind == Command::Kind::PutOverride) return put_override(command);
  if (command.kind == Command::Kind::RemoveOverride) return remove_override(command);
  if (command.kind == Command::Kind::Report) return edit_review(command);
  if (command.kind == Command::Kind::News) return tell_news(command);
  Incident* incident = find(command.incident_id);
  if (!incident) {
    return base::error(ErrorCode::NotFound,
                       fmt::format("there is no open incident '{}'", command.incident_id));
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
      return apply_unacknowledge(command, incident);
    case Command::Kind::Create:
    case Command::Kind::AddChange:
    case Command::Kind::PutOverride:
    case Command::Kind::RemoveOverride:
    case Command::Kind::Report:
    case Command::Kind::News:
      break;  // not about one incident; see run_command()
    case Command::Kind::Snooze:
      return apply_snooze(command, incident);
    case Command::Kind::Unsnooze:
      if (!incident.snoozed_until) {
        return base::error(ErrorCode::InvalidArgument,
                           fmt::format("incident {} is not snoozed", incident.id()));
      }
      end_snooze(incident, "by " + command.actor);
      tell_again(incident, Reason::SnoozeEnded);
      return base::ok();
    case Command::Kind::Merge:
      return apply_merge(command, incident);
    case Command::Kind::Unmerge:
      return apply_unmerge(command, incident);
    case Command::Kind::Severity:
      return apply_severity(command, incident);
    case Command::Kind::Owner:
      return apply_owner(command, incident);
    case Command::Kind::Mitigate:
      return apply_mitigate(command, incident);
    case Command::Kind::Review:
      return apply_review(command, incident);
    case Command::Kind::Comment:
      if (command.comment.empty()) {
        return base::error(ErrorCode::InvalidArgument, "the comment is empty");
      }
      add_event(incident, now_, "comment", command.actor, command.comment, result_.change.events);
      return base::ok();
  }
  return base::error(ErrorCode::InvalidArgument, "unknown command");
}

Result<void> Engine::apply_unacknowledge(const Command& command, Incident& incident) {
  if (incident.state != IncidentState::Acknowledged) {
    return base::error(ErrorCode::InvalidArgument,
                       fmt::format("incident {} is not acknowledged", incident.id()));
  }
  unacknowledge(incident, now_, "unacknowledged", command.actor, result_.change.events);
  if (!incident.snoozed_until) pipeline_.hold_repeats(incident.group_key, false);
  if (incident.escalation) set_due(incident);
  return base::ok();
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
  if (incident.owner.empty()) incident.owner = command.actor;
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
    tell_told(incident,
              {NotificationKind::Acknowledged, Reason::Acknowledged, alerts_of(incident), {}});
  }
  return base::ok();
}

/// What fires on gets some time to end; what is over and fires again is news.
void Engine::closed_by_person(Incident& incident, bool firing) {
  if (firing) incident.reopen_at = now_ + settings_.manual_hold;
  pipeline_.mark_over(incident.group_key);
}

Result<void> Engine::apply_resolve(const Command& command, Incident& incident) {
  AlertSet alerts = alerts_of(incident);
  TC_TRY(resolve(incident, now_, command.actor, command.comment, result_.change.events));
  closed_by_person(incident, fires_itself(incident) || !alerts.firing.empty());
  pipeline_.hold_repeats(incident.group_key, false);
  tell_resolved(incident, Reason::ResolvedByPerson, std::move(alerts));
  return base::ok();
}

}  // namespace tocsin::incident
