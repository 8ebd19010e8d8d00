#include "alertd/incident/engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "alertd/incident/json_codec.h"
#include "common/base/strings.h"

namespace tocsin::incident {

using base::ErrorCode;
using base::Result;
using base::WallTime;

Engine::Engine(routing::Routing routing, routing::PipelineLimits limits, IncidentSettings settings)
    : settings_(std::move(settings)), pipeline_(std::move(routing), limits) {}

StepResult Engine::step(WallTime now, const StepInput& input) {
  now_ = now;
  result_ = {};
  changed_.clear();
  for (const routing::Action& action : pipeline_.step(now, input.alerts)) {
    if (action.send) {
      on_send(action);
    } else {
      decided(action.reason, false);
    }
  }
  for (const Command& command : input.commands) result_.replies.push_back(on_command(command));
  for (const DeliveryReport& report : input.reports) on_report(report);
  run_timers();
  write_records();
  return std::move(result_);
}

void Engine::on_send(const routing::Action& action) {
  const auto found = by_group_.find(action.group_key);
  Incident* incident = found == by_group_.end() ? nullptr : &incidents_.at(found->second);
  if (incident) {
    incident->route = action.group.route;
    incident->receiver = action.group.receiver;
    changed_.insert(incident->number);
  }
  if (action.reason == Reason::AllResolved) {
    on_all_resolved(action, incident);
  } else {
    on_firing(action, incident);
  }
}

void Engine::on_all_resolved(const routing::Action& action, Incident* incident) {
  if (!incident || incident->resolved()) {
    if (incident) {
      incident->reopen_at.reset();
      add_event(*incident, now_, "alerts_resolved", "", "all alerts are resolved",
                result_.change.events);
    }
    decided(Reason::ResolvedByPerson, false);
    return;
  }
  if (resolve(*incident, now_, "", "", result_.change.events)) {
    notify(*incident, NotificationKind::Resolved, action.reason, {action.firing, action.resolved});
  }
}

void Engine::on_firing(const routing::Action& action, Incident* incident) {
  AlertSet alerts{action.firing, action.resolved};
  const bool news = action.reason != Reason::Repeat && action.reason != Reason::SomeResolved;
  if (!incident || (incident->resolved() && !incident->reopen_at &&
                    *incident->resolved_at + settings_.reopen_window <= now_)) {
    notify(open(action, incident), NotificationKind::Firing, action.reason, std::move(alerts));
    return;
  }
  const model::Severity severity = action.group.severity();
  if (incident->resolved()) {
    if (incident->reopen_at && !news) {  // a person said it is over; the hold decides
      decided(Reason::ResolvedByPerson, false);
      return;
    }
    reopen(*incident, now_, std::string(routing::describe(action.reason)), result_.change.events);
    set_severity(*incident, severity, now_, result_.change.events);
    notify(*incident, NotificationKind::Reopened, action.reason, std::move(alerts));
    return;
  }
  set_severity(*incident, severity, now_, result_.change.events);
  if (incident->acknowledgement && severity > incident->acknowledgement->severity) {
    unacknowledge(*incident, now_, "unacknowledged_by_severity", "", result_.change.events);
    pipeline_.hold_repeats(incident->group_key, false);
  }
  notify(*incident, NotificationKind::Update, action.reason, std::move(alerts));
}

Incident& Engine::open(const routing::Action& action, const Incident* previous) {
  Incident incident;
  incident.number = ++last_number_;
  incident.group_key = action.group_key;
  incident.route = action.group.route;
  incident.receiver = action.group.receiver;
  incident.group_labels = action.group.labels;
  incident.title = make_title({action.firing, {}}, action.group.labels);
  incident.severity = incident.peak_severity = action.group.severity();
  incident.opened_at = incident.updated_at = now_;
  incident.previous = previous ? previous->number : 0;
  if (previous) {
    changed_.erase(previous->number);
    incidents_.erase(incident.previous);
  }
  add_event(incident, now_, "opened", "",
            fmt::format("{}: {}{}", model::to_string(incident.severity), incident.title,
                        rule_origin({action.firing, {}})),
            result_.change.events);
  const std::int64_t number = incident.number;
  by_group_[incident.group_key] = number;
  changed_.insert(number);
  return incidents_.emplace(number, std::move(incident)).first->second;
}

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
  if (first) {
    notify(incident, NotificationKind::Acknowledged, Reason::Acknowledged,
           alerts_of(incident.group_key));
  }
  return base::ok();
}

Result<void> Engine::apply_resolve(const Command& command, Incident& incident) {
  AlertSet alerts = alerts_of(incident.group_key);
  TC_TRY(resolve(incident, now_, command.actor, command.comment, result_.change.events));
  if (!alerts.firing.empty()) incident.reopen_at = now_ + settings_.manual_hold;
  pipeline_.hold_repeats(incident.group_key, false);
  notify(incident, NotificationKind::Resolved, Reason::ResolvedByPerson, std::move(alerts));
  return base::ok();
}

void Engine::on_report(const DeliveryReport& report) {
  Incident* incident = find(report.incident_id);
  if (!incident) return;  // long over; the store has the delivery's record
  const bool delivered = report.state == DeliveryState::Delivered;
  add_event(
      *incident, now_, delivered ? "delivered" : "delivery_failed", "",
      fmt::format("{} to {}/{} after {} attempt{}{}{}", to_string(report.kind), report.receiver,
                  report.channel, report.attempts, report.attempts == 1 ? "" : "s",
                  report.text.empty() ? "" : ": ", report.text),
      result_.change.events);
  changed_.insert(incident->number);
}

void Engine::run_timers() {
  for (auto& [number, incident] : incidents_) run_timer(incident);
  std::erase_if(incidents_, [this](const auto& each) {
    const Incident& incident = each.second;
    const bool over = incident.resolved() && !incident.reopen_at &&
                      !changed_.contains(each.first) &&
                      *incident.resolved_at + settings_.reopen_window <= now_;
    if (!over) return false;
    const auto current = by_group_.find(incident.group_key);
    if (current != by_group_.end() && current->second == each.first) by_group_.erase(current);
    return true;
  });
}

void Engine::run_timer(Incident& incident) {
  const routing::Group* group = pipeline_.find_group(incident.group_key);
  const bool firing = group && group->firing();
  if (incident.reopen_at && *incident.reopen_at <= now_) {
    changed_.insert(incident.number);
    incident.reopen_at.reset();
    if (firing) {
      reopen(incident, now_, "resolved by a person, but still firing", result_.change.events);
      set_severity(incident, group->severity(), now_, result_.change.events);
      notify(incident, NotificationKind::Reopened, Reason::StillFiring,
             alerts_of(incident.group_key));
      pipeline_.mark_told(incident.group_key, now_);
    }
    return;
  }
  if (incident.resolved()) return;
  if (!group) {
    // Its alerts could not be read back after a restart; if they still fire they open it anew.
    if (now_ < grace_until_) return;
    changed_.insert(incident.number);
    if (resolve(incident, now_, "", "its alerts are gone", result_.change.events)) {
      notify(incident, NotificationKind::Resolved, Reason::AllResolved, {});
    }
    return;
  }
  // While nothing fires the severity stays what it was: the message that it is over should say it.
  if (firing && group->severity() != incident.severity) {
    set_severity(incident, group->severity(), now_, result_.change.events);
    changed_.insert(incident.number);
  }
  if (incident.acknowledgement && incident.acknowledgement->until <= now_) {
    unacknowledge(incident, now_, "acknowledgement_expired", "", result_.change.events);
    pipeline_.hold_repeats(incident.group_key, false);
    changed_.insert(incident.number);
    if (firing) {
      notify(incident, NotificationKind::Update, Reason::AckExpired, alerts_of(incident.group_key));
      pipeline_.mark_told(incident.group_key, now_);
    }
  }
}

void Engine::notify(Incident& incident, NotificationKind kind, Reason reason, AlertSet alerts) {
  changed_.insert(incident.number);
  const auto receiver = settings_.receivers.find(incident.receiver);
  if (receiver == settings_.receivers.end() || receiver->second.empty()) {
    decided(Reason::NoChannel, false);
    add_event(incident, now_, "not_notified", "",
              fmt::format("receiver '{}' has no channel", incident.receiver),
              result_.change.events);
    return;
  }
  ++incident.notifications;
  decided(reason, true);
  std::string channels;
  for (const std::string& channel : receiver->second) {
    channels += (channels.empty() ? "" : ", ") + channel;
  }
  add_event(incident, now_, "notified", "",
            fmt::format("{} to {} ({}): {}", to_string(kind), incident.receiver, channels,
                        routing::describe(reason)),
            result_.change.events);
  Notification notification = make_notification(incident, kind, reason, std::move(alerts),
                                                settings_.alerts_per_notification);
  notification.created_at = now_;
  for (const std::string& channel : receiver->second) {
    notification.channel = channel;
    notification.key = delivery_key(notification.incident.id, incident.receiver, channel, kind,
                                    notification.sequence);
    result_.change.outbox.push_back(notification);
  }
}

AlertSet Engine::alerts_of(const std::string& group_key) const {
  AlertSet alerts;
  const routing::Group* group = pipeline_.find_group(group_key);
  if (!group) return alerts;
  for (const auto& [fingerprint, member] : group->members) {
    const routing::AlertEntry* entry = pipeline_.find_alert(fingerprint);
    if (!entry) continue;
    model::Alert alert = entry->alert;
    if (member.resolved && !alert.ends_at) alert.ends_at = member.since;
    (member.resolved ? alerts.resolved : alerts.firing).push_back(std::move(alert));
  }
  return alerts;
}

Incident* Engine::find(const std::string& id) {
  if (!id.starts_with("T-")) return nullptr;
  const auto number = base::parse_i64(std::string_view(id).substr(2));
  const auto found = number ? incidents_.find(*number) : incidents_.end();
  return found != incidents_.end() && found->second.id() == id ? &found->second : nullptr;
}

const Incident* Engine::incident_of(const std::string& group_key) const {
  const auto found = by_group_.find(group_key);
  if (found == by_group_.end()) return nullptr;
  const auto incident = incidents_.find(found->second);
  return incident == incidents_.end() ? nullptr : &incident->second;
}

void Engine::write_records() {
  const routing::Dirty dirty = pipeline_.take_dirty();
  StateChange& change = result_.change;
  for (const routing::Fingerprint fingerprint : dirty.alerts) {
    if (const routing::AlertEntry* entry = pipeline_.find_alert(fingerprint)) {
      change.alerts_upsert.push_back(alert_record(entry->alert));
    } else {
      change.alerts_delete.push_back(alert_key(fingerprint));
    }
  }
  for (const std::string& key : dirty.groups) {
    if (const routing::Group* group = pipeline_.find_group(key)) {
      change.groups_upsert.push_back(group_record(*group));
    } else {
      change.groups_delete.push_back(key);
    }
  }
  for (const std::int64_t number : changed_) {
    change.incidents_upsert.push_back(incident_record(incidents_.at(number)));
  }
}

std::optional<WallTime> Engine::due(const Incident& incident) const {
  if (incident.reopen_at) return incident.reopen_at;
  if (incident.resolved()) return *incident.resolved_at + settings_.reopen_window;
  if (!pipeline_.find_group(incident.group_key)) return grace_until_;
  if (incident.acknowledgement) return incident.acknowledgement->until;
  return std::nullopt;
}

std::optional<WallTime> Engine::next_due() const {
  std::optional<WallTime> next = pipeline_.next_due();
  for (const auto& [number, incident] : incidents_) {
    if (const auto at = due(incident)) next = std::min(next.value_or(WallTime::max()), *at);
  }
  return next;
}

std::vector<base::Error> Engine::restore(const LoadedState& state, WallTime now) {
  std::vector<base::Error> errors;
  const auto read = [&errors](const auto& records, auto decode, auto keep) {
    for (const auto& record : records) {
      auto value = decode(record);
      if (value) {
        keep(std::move(*value));
      } else {
        errors.push_back(value.error());
      }
    }
  };
  std::vector<model::Alert> alerts;
  std::vector<routing::Group> groups;
  read(state.alerts, alert_from_record, [&](auto alert) { alerts.push_back(std::move(alert)); });
  read(state.groups, group_from_record, [&](auto group) { groups.push_back(std::move(group)); });
  read(state.incidents, incident_from_record, [&](Incident incident) {
    const std::int64_t number = incident.number;
    std::int64_t& current = by_group_[incident.group_key];
    current = std::max(current, number);
    incidents_.emplace(number, std::move(incident));
  });
  last_number_ = std::max(last_number_, state.last_incident_number);
  if (!incidents_.empty()) last_number_ = std::max(last_number_, incidents_.rbegin()->first);
  grace_until_ = now + settings_.startup_grace;
  pipeline_.restore(std::move(alerts), std::move(groups), now, grace_until_);
  follow_receivers();
  return errors;
}

void Engine::clock_jumped(WallTime now) {
  grace_until_ = now + settings_.startup_grace;
  pipeline_.hold_timeouts(grace_until_);
}

void Engine::reload(routing::Routing routing, IncidentSettings settings, WallTime now) {
  settings_ = std::move(settings);
  pipeline_.set_routing(std::move(routing), now);
  follow_receivers();
}

void Engine::follow_receivers() {
  for (auto& [number, incident] : incidents_) {
    const routing::Group* group = pipeline_.find_group(incident.group_key);
    if (group) incident.receiver = group->receiver;
  }
}

}  // namespace tocsin::incident
