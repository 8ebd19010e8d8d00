// What comes into the engine beside alerts: what persons do, and what became of deliveries.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "alertd/incident/change.h"
#include "alertd/incident/review.h"
#include "alertd/oncall/schedule.h"
#include "common/base/result.h"

namespace tocsin::incident {

/// What a person does to an incident.
struct Command {
  enum class Kind {
    Acknowledge,
    Unacknowledge,
    Resolve,
    Comment,
    Create,  ///< By hand: title, severity, labels, receiver, policy; incident_id
             /// < is empty.
    Snooze,  ///< expires_in; default 1h.
    Unsnooze,
    Merge,  ///< Into `target`.
    Unmerge,
    Severity,        ///< Sets `severity`.
    Owner,           ///< `target` leads from now on; empty: the actor.
    Mitigate,        ///< The impact is over; acknowledges too.
    Review,          ///< Of a resolved one: looked at afterwards.
    AddChange,       ///< `change`; the answer's id is the change's.
    PutOverride,     ///< `over`; the answer's id is the override's.
    RemoveOverride,  ///< `target` is its id.
    Report,          ///< `review`; the incident may be long over. The answer's id: see `review`.
    News,            ///< `news`, to stakeholders.
  };
  Kind kind = Kind::Acknowledge;
  std::string incident_id;
  std::string actor;    ///< Never empty.
  std::string comment;  ///< At most 4 KiB.
  /// Acknowledge: default by severity, at most 7 days. Snooze: at most 30 days.
  std::optional<base::Duration> expires_in;
  std::string target;
  model::Severity severity = model::Severity::Medium;
  std::string title;
  std::string receiver;  ///< Of Create; empty: the root route's.
  std::string policy;    ///< Of Create; empty: by severity.
  model::Labels labels;
  Change change;
  oncall::Override over;
  /// Of Report. The answer's id is the action item's, if there is one, else the incident's.
  ReviewEdit review;
  /// Of News: state and text; `audiences` chooses, empty: all that the incident concerns.
  News news;
  std::string source;  ///< For the audit trail: "api 192.0.2.7 token".
};

/// Returns what the audit trail says of it beside the action.
std::string audit_text(const Command& command);

/// Returns the action as the audit trail says it: "acknowledge", "snooze", ...
std::string_view to_string(Command::Kind kind);

/// How a delivery ended, as the notifier tells it.
struct DeliveryReport {
  std::string incident_id;
  std::string receiver;
  std::string channel;
  NotificationKind kind = NotificationKind::Firing;
  DeliveryState state = DeliveryState::Delivered;  ///< Delivered, Dead or Superseded.
  std::uint32_t attempts = 1;
  std::string text;
  std::uint64_t sequence = 0;  ///< Of the message.
};

/// Returns the report about a message.
inline DeliveryReport report_of(const Notification& message,
                                DeliveryState state = DeliveryState::Delivered,
                                std::uint32_t attempts = 1, std::string text = {}) {
  return {message.incident.id, message.receiver, message.channel, message.kind, state, attempts,
          std::move(text),     message.sequence};
}

/// A command that cannot be: InvalidArgument.
inline base::Error invalid(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

}  // namespace tocsin::incident
