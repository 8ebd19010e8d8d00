#include <algorithm>
#include <utility>

#include "alertd/app/adapters.h"
#include "alertd/incident/record_codec.h"
#include "common/base/strings.h"

namespace tocsin::alertd {
namespace {

using Snapshot = std::shared_ptr<const incident::Snapshot>;

/// Returns "page: step 2 of 4, next at 2026-11-26T14:05:00Z".
std::string escalation_text(const incident::Incident& incident) {
  if (!incident.escalation || incident.resolved()) return {};
  const incident::Escalation& escalation = *incident.escalation;
  std::string text = escalation.policy.name + ": " + escalation.position();
  if (escalation.due) text += ", next at " + base::format_rfc3339(*escalation.due);
  for (const incident::Waiting& each : escalation.waiting) {
    text += ", " + each.person + " at " + base::format_rfc3339(each.at);
  }
  return text;
}

// The body of the record is the engine's own; what cannot be read is left out, the columns remain.
api::IncidentInfo to_api(const incident::IncidentRecord& record) {
  api::IncidentInfo info;
  info.id = record.id;
  info.title = record.title;
  info.state = incident::to_string(record.state);
  info.severity = record.severity;
  info.peak_severity = record.peak_severity;
  info.opened_at = record.opened_at;
  info.updated_at = record.updated_at;
  info.resolved_at = record.resolved_at;
  if (const auto full = incident::incident_from_record(record)) {
    info.labels = full->group_labels;
    info.resolved_by = full->resolved_by;
    info.comment = full->comment;
    if (full->acknowledgement) {
      info.acknowledged_by = full->acknowledgement->by;
      info.acknowledged_until = full->acknowledgement->until;
      info.comment = full->acknowledgement->comment;
    }
    info.escalation = escalation_text(*full);
    info.owner = full->owner;
    info.snoozed_until = full->snoozed_until;
    if (full->merged_into != 0) {
      info.merged_into = incident::Incident::incident_id(full->merged_into);
    }
    info.mitigated_at = full->mitigated_at;
    info.reviewed_at = full->reviewed_at;
  }
  return info;
}

void add_alerts(const incident::Snapshot& snapshot, api::IncidentInfo& info) {
  for (const incident::AlertView& view : snapshot.alerts) {
    for (const auto& group : view.groups) {
      if (group.incident_id != info.id) continue;
      if (!view.resolved) ++info.alerts_firing;
      info.alerts.push_back({.labels = view.alert.labels,
                             .annotations = view.alert.annotations,
                             .firing = !view.resolved,
                             .starts_at = view.alert.starts_at,
                             .ends_at = view.alert.ends_at,
                             .suppressed_by = {}});
      break;
    }
  }
}

void count_firing(const incident::Snapshot& snapshot, api::IncidentInfo& info) {
  for (const incident::IncidentView& view : snapshot.incidents) {
    if (view.incident.id() == info.id) info.alerts_firing = view.firing;
  }
}

api::IncidentDelivery to_api(const incident::DeliveryRecord& record) {
  const incident::Notification& notification = record.row.notification;
  api::IncidentDelivery delivery;
  delivery.receiver = notification.receiver;
  delivery.channel = notification.channel;
  delivery.kind = incident::to_string(notification.kind);
  delivery.state = incident::to_string(record.row.state);
  delivery.attempts = record.row.attempts;
  delivery.reason = routing::describe(notification.reason);
  if (!record.attempts.empty()) delivery.detail = record.attempts.back().text;
  delivery.created_at = notification.created_at;
  return delivery;
}

incident::Command::Kind kind_of(api::IncidentAction action) {
  using Kind = incident::Command::Kind;
  switch (action) {
    case api::IncidentAction::Create:
      return Kind::Create;
    case api::IncidentAction::Unacknowledge:
      return Kind::Unacknowledge;
    case api::IncidentAction::Note:
      return Kind::Comment;
    case api::IncidentAction::Snooze:
      return Kind::Snooze;
    case api::IncidentAction::Unsnooze:
      return Kind::Unsnooze;
    case api::IncidentAction::Merge:
      return Kind::Merge;
    case api::IncidentAction::Unmerge:
      return Kind::Unmerge;
    case api::IncidentAction::Severity:
      return Kind::Severity;
    case api::IncidentAction::Owner:
      return Kind::Owner;
    case api::IncidentAction::Mitigate:
      return Kind::Mitigate;
    case api::IncidentAction::Review:
      return Kind::Review;
  }
  return Kind::Comment;
}

base::Result<incident::IncidentQuery> to_query(const api::IncidentFilter& filter) {
  incident::IncidentQuery query;
  query.severity = filter.severity;
  query.limit = filter.limit;
  if (filter.state == "unresolved") {
    query.unresolved_only = true;
  } else if (!filter.state.empty()) {
    query.state = incident::parse_incident_state(filter.state);
  }
  if (!filter.before.empty()) {
    const std::size_t dash = filter.before.find('-');
    query.number_below = base::parse_i64(
        std::string_view(filter.before).substr(dash == std::string::npos ? 0 : dash + 1));
    if (!query.number_below) {
      return base::error(base::ErrorCode::InvalidArgument,
                         "'" + filter.before + "' is not an incident id; expected one as T-1042");
    }
  }
  return query;
}

}  // namespace

void IncidentAdapter::with_snapshot(std::function<void(Snapshot)> next) {
  dispatcher_.snapshot(executor_, std::move(next));
}

void IncidentAdapter::list(api::IncidentFilter filter,
                           api::Done<std::vector<api::IncidentInfo>> done) {
  const auto query = to_query(filter);
  if (!query) return done(query.error());
  state_.incidents(*query, executor_, [this, done = std::move(done)](auto records) {
    if (!records) return done(records.error());
    with_snapshot([records = std::move(*records), done](Snapshot snapshot) {
      std::vector<api::IncidentInfo> infos;
      for (const incident::IncidentRecord& record : records) {
        infos.push_back(to_api(record));
        count_firing(*snapshot, infos.back());
      }
      done(std::move(infos));
    });
  });
}

void IncidentAdapter::find(std::string id, api::Done<api::IncidentInfo> done) {
  state_.incident(std::move(id), executor_, [this, done = std::move(done)](auto detail) {
    if (!detail) return done(detail.error());
    with_snapshot([detail = std::move(*detail), done](Snapshot snapshot) {
      api::IncidentInfo info = to_api(detail.incident);
      add_alerts(*snapshot, info);
      for (const incident::TimelineEvent& event : detail.timeline) {
        info.timeline.push_back({event.at, event.kind, event.actor, event.text});
        info.updated_at = std::max(info.updated_at, event.at);
      }
      for (const incident::DeliveryRecord& delivery : detail.deliveries) {
        info.deliveries.push_back(to_api(delivery));
      }
      done(std::move(info));
    });
  });
}

void IncidentAdapter::command(incident::Command::Kind kind, api::IncidentCommand request,
                              api::Done<api::IncidentInfo> done) {
  incident::Command command;
  command.kind = kind;
  command.incident_id = std::move(request.id);
  command.actor = std::move(request.by);
  command.comment = std::move(request.comment);
  command.expires_in = request.hold;
  command.target = std::move(request.target);
  command.severity = request.severity.value_or(command.severity);
  command.title = std::move(request.title);
  command.receiver = std::move(request.receiver);
  command.policy = std::move(request.policy);
  command.labels = std::move(request.labels);
  command.source = request.source;
  base::log_info("alertd/audit", "{} of {} by {} ({})", incident::to_string(kind),
                 command.incident_id, command.actor, request.source);
  dispatcher_.command(std::move(command), executor_, [done = std::move(done)](auto record) {
    if (!record) return done(record.error());
    done(to_api(*record));
  });
}

void IncidentAdapter::acknowledge(api::IncidentCommand request, api::Done<api::IncidentInfo> done) {
  command(incident::Command::Kind::Acknowledge, std::move(request), std::move(done));
}

void IncidentAdapter::act(api::IncidentAction action, api::IncidentCommand request,
                          api::Done<api::IncidentInfo> done) {
  command(kind_of(action), std::move(request), std::move(done));
}

void IncidentAdapter::resolve(api::IncidentCommand request, api::Done<api::IncidentInfo> done) {
  // What is closed here must be known before it is: afterwards its alerts belong to no incident.
  with_snapshot([this, request = std::move(request), done = std::move(done)](Snapshot snapshot) {
    std::vector<model::Labels> silent;
    for (const incident::AlertView& view : snapshot->alerts) {
      const bool here = std::any_of(view.groups.begin(), view.groups.end(), [&](const auto& group) {
        return group.incident_id == request.id;
      });
      if (here && view.alert.labels.has(ruler::kNoDataLabel)) silent.push_back(view.alert.labels);
    }
    const std::string because = "closed by " + request.by;
    command(incident::Command::Kind::Resolve, request,
            [this, silent = std::move(silent), because, done](auto outcome) {
              for (const model::Labels& alert : silent) {
                if (outcome) ruler_.forget_alert(alert, because);
              }
              done(std::move(outcome));
            });
  });
}

}  // namespace tocsin::alertd
