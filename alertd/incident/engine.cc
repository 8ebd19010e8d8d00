#include "alertd/incident/engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::incident {

using base::ErrorCode;
using base::Result;
using base::WallTime;

namespace {

/// Of the timeline: opened, scope, related, notified.
constexpr std::size_t kLinesOfOpening = 4;

/// Returns "oncall (pager, mail), chat (slack)".
std::string list(const std::vector<Address>& addresses) {
  std::string text;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const bool first = i == 0 || addresses[i - 1].receiver != addresses[i].receiver;
    const bool last =
        i + 1 == addresses.size() || addresses[i + 1].receiver != addresses[i].receiver;
    if (i != 0) text += ", ";
    if (first) text.append(addresses[i].receiver).append(" (");
    text += addresses[i].channel;
    if (last) text += ')';
  }
  return text;
}

/// Returns what a message about an incident made by hand shows as its alert.
model::Alert manual_alert(const Incident& incident) {
  model::Alert alert;
  model::LabelsBuilder labels(incident.group_labels);
  labels.set(model::kAlertName, incident.title);
  alert.labels = labels.build();
  model::LabelsBuilder annotations;
  annotations.set("summary", incident.title);
  alert.annotations = annotations.build();
  alert.severity = incident.severity;
  alert.starts_at = alert.updated_at = incident.opened_at;
  alert.ends_at = incident.resolved_at;
  return alert;
}

void add_firing(AlertSet& alerts, AlertSet more) {
  std::move(more.firing.begin(), more.firing.end(), std::back_inserter(alerts.firing));
}

}  // namespace

Engine::Engine(routing::Routing routing, routing::PipelineLimits limits, IncidentSettings settings)
    : settings_(std::move(settings)),
      addresses_(settings_.receivers),
      pipeline_(std::move(routing), limits) {}

StepResult Engine::step(WallTime now, const StepInput& input) {
  now_ = now;
  result_ = {};
  changed_.clear();
  looks_.clear();
  alarmed_.clear();
  told_now_.clear();
  apply_edits(input.edits);
  std::vector<routing::Action> actions = pipeline_.step(now, input.alerts);
  follow_groups();
  // What came to light is known before what is decided about it.
  for (const routing::Aside& aside : pipeline_.take_asides()) write_down(aside);
  const auto sends = std::count_if(actions.begin(), actions.end(),
                                   [](const routing::Action& action) { return action.send; });
  result_.change.outbox.reserve(static_cast<std::size_t>(sends));
  result_.change.decisions.reserve(actions.size());
  result_.change.events.reserve(kLinesOfOpening * static_cast<std::size_t>(sends) +
                                input.reports.size());
  for (routing::Action& action : actions) {
    if (action.send && !action.integration.empty()) {
      on_send_to_integration(std::move(action));
    } else if (action.send) {
      on_send(std::move(action));
    } else {
      held(action);
    }
  }
  for (const Command& command : input.commands) result_.replies.push_back(on_command(command));
  for (const DeliveryReport& report : input.reports) on_report(report);
  run_timers();
  write_records();
  plan();
  return std::move(result_);
}

void Engine::on_send(routing::Action action) {
  Incident* incident = incidents_.of_group(action.group_key());
  if (incident) {
    incident->route = action.group->route;
    incident->receiver = action.group->receiver;
    changed_.insert(incident->number);
  }
  if (action.reason == Reason::AllResolved) {
    on_all_resolved(std::move(action), incident);
  } else {
    on_firing(std::move(action), incident);
  }
}

void Engine::on_all_resolved(routing::Action action, Incident* incident) {
  if (!incident || incident->resolved()) {
    if (incident) {
      incident->reopen_at.reset();
      add_event(*incident, now_, "alerts_resolved", "", "all alerts are resolved",
                result_.change.events);
    }
    if (incident) {
      decided(*incident, Reason::ResolvedByPerson, false);
    } else {
      decided(Reason::ResolvedByPerson, false);
    }
    return;
  }
  if (has_open_parts(*incident)) {  // resolved with the last of them; see run_timer()
    decided(*incident, Reason::Merged, false, "merged incidents still fire");
    add_event(*incident, now_, "alerts_resolved", "", "merged incidents still fire",
              result_.change.events);
    return;
  }
  if (resolve(*incident, now_, "", "", result_.change.events)) {
    tell_resolved(*incident, action.reason, {std::move(action.firing), std::move(action.resolved)});
  }
}

void Engine::on_firing(routing::Action action, Incident* incident) {
  const bool news = action.reason != Reason::Repeat && action.reason != Reason::SomeResolved;
  if (!incident || (incident->resolved() && !incident->reopen_at &&
                    *incident->resolved_at + settings_.reopen_window <= now_)) {
    Incident& opened = open(action, incident);
    look_around(opened, action.firing);
    Message message = message_of(action);
    if (!join_storm(opened) && !hold_for_root(opened)) tell_begin(opened, std::move(message));
    return;
  }
  const model::Severity severity = with_parts(*incident, action.severity);
  if (incident->resolved()) {
    if (incident->reopen_at && !news) {  // a person said it is over; the hold decides
      decided(*incident, Reason::ResolvedByPerson, false);
      return;
    }
    reopen(*incident, now_, std::string(routing::describe(action.reason)), result_.change.events);
    pipeline_.mark_told_anew(incident->group_key, now_);
    take_severity(*incident, severity);
    Message message = message_of(action);
    message.kind = NotificationKind::Reopened;
    tell_begin(*incident, std::move(message));
    return;
  }
  take_severity(*incident, severity);
  Message message = message_of(action);
  message.kind = NotificationKind::Update;
  add_firing(message.alerts, alerts_of_parts(*incident));
  tell_update(*incident, std::move(message));
}

/// Takes the alerts out of the action.
Engine::Message Engine::message_of(routing::Action& action) {
  return {NotificationKind::Firing,
          action.reason,
          {std::move(action.firing), std::move(action.resolved)},
          {}};
}

Incident& Engine::open(const routing::Action& action, const Incident* previous) {
  Incident incident;
  incident.number = ++last_number_;
  if (!action.group->members.empty()) incident.group = action.group;
  incident.group_key = action.group->key;
  incident.route = action.group->route;
  incident.receiver = action.group->receiver;
  incident.group_labels = action.group->labels;
  incident.title = make_title(action.firing, action.group->labels);
  incident.severity = incident.peak_severity = action.severity;
  incident.policy_severity = incident.severity;
  incident.opened_at = incident.updated_at = now_;
  incident.previous = previous ? previous->number : 0;
  if (previous && !previous->digest_at) {  // else it still waits to be told
    changed_.erase(previous->number);
    forget(incident.previous);
  }
  add_event(incident, now_, "opened", "",
            fmt::format("{}: {}{}", model::to_string(incident.severity), incident.title,
                        rule_origin(action.firing)),
            result_.change.events);
  changed_.insert(incident.number);
  remember_labels(incident);
  return incidents_.add(std::move(incident));
}

Addresses Engine::route_addresses(const Incident& incident) const {
  return addresses_.of(incident.receiver);
}

Addresses Engine::told(const Incident& incident) const {
  // Nothing recorded (an older release), or none of them is configured any more: the route's.
  if (incident.notifications > 0 && addresses_.in_order(incident.told).empty()) {
    return route_addresses(incident);
  }
  return incident.told;
}

/// Whoever was told of the incident in this very step is not told again by its policy.
Addresses Engine::not_told_now(const Incident& incident, Addresses addresses) const {
  const auto told_now = told_now_.find(incident.number);
  if (told_now == told_now_.end()) return addresses;
  for (const Address& each : told_now->second) addresses.erase(each);
  return addresses;
}

void Engine::notify(Incident& incident, Message message, const Addresses& addresses) {
  changed_.insert(incident.number);
  const std::vector<Address> ordered = addresses_.in_order(addresses);
  if (ordered.empty()) {
    const std::string text = fmt::format("receiver '{}' has no channel", incident.receiver);
    decided(incident, Reason::NoChannel, false, text);
    add_event(incident, now_, "not_notified", "", text, result_.change.events);
    return;
  }
  const Addresses before = told(incident);
  ++incident.notifications;
  incident.reports_awaited += static_cast<std::uint32_t>(ordered.size());
  const std::string text = fmt::format("{} to {}: {}", to_string(message.kind), list(ordered),
                                       routing::describe(message.reason));
  decided(incident, message.reason, true, text);
  add_event(incident, now_, "notified", "", text, result_.change.events);
  Notification notification =
      make_notification(incident, message.kind, message.reason, std::move(message.alerts),
                        settings_.alerts_per_notification);
  notification.created_at = now_;
  const bool begins =
      message.kind == NotificationKind::Update || message.kind == NotificationKind::Firing;
  for (const Address& address : ordered) {
    notification.receiver = address.receiver;
    notification.channel = address.channel;
    // Whoever hears of it for the first time gets what opens something there.
    if (begins) {
      notification.kind =
          before.contains(address) ? NotificationKind::Update : NotificationKind::Firing;
    }
    notification.key = delivery_key(notification.incident.id, address.receiver, address.channel,
                                    notification.kind, notification.sequence);
    if (&address == &ordered.back()) {
      result_.change.outbox.push_back(std::move(notification));
    } else {
      result_.change.outbox.push_back(notification);
    }
    told_now_[incident.number].insert(address);
    if (begins || message.kind == NotificationKind::Reopened) incident.told.insert(address);
  }
}

AlertSet Engine::alerts_of(const Incident& incident) const {
  AlertSet alerts = alerts_of_parts(incident);
  if (incident.storm) return alerts;
  if (incident.manual) {
    (incident.resolved() ? alerts.resolved : alerts.firing).push_back(manual_alert(incident));
    return alerts;
  }
  const routing::Group* group = group_of(incident);
  if (!group) return alerts;
  // The parts speak while its own route is quiet.
  const bool quiet = !alerts.firing.empty() && group->suppressed();
  for (const auto& [fingerprint, member] : group->members) {
    // What is silenced, inhibited or under maintenance is not told of.
    if ((member.hidden || quiet) && !member.resolved) continue;
    (member.resolved ? alerts.resolved : alerts.firing).push_back(member.alert->as_told(member));
  }
  return alerts;
}

Incident* Engine::find(const std::string& id) {
  if (!id.starts_with("T-")) return nullptr;
  const auto number = base::parse_i64(std::string_view(id).substr(2));
  Incident* incident = number ? incidents_.find(*number) : nullptr;
  return incident && incident->id() == id ? incident : nullptr;
}

std::optional<WallTime> Engine::next_due() const {
  std::optional<WallTime> next = pipeline_.next_due();
  if (handovers_due_) next = std::min(next.value_or(*handovers_due_), *handovers_due_);
  if (maintenance_due_) next = std::min(next.value_or(*maintenance_due_), *maintenance_due_);
  if (const auto at = timers_.next_due()) next = std::min(next.value_or(*at), *at);
  return next;
}

}  // namespace tocsin::incident
