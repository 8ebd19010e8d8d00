// The engine's timers: what happens to incidents as time goes by, and what became of deliveries.
#include <algorithm>
#include <utility>

#include "alertd/incident/engine.h"
#include "common/base/check.h"

namespace tocsin::incident {

using base::WallTime;

void Engine::on_report(const DeliveryReport& report) {
  Incident* incident = find(report.incident_id);
  if (!incident) return;  // long over; the store has the delivery's record
  const bool superseded = report.state == DeliveryState::Superseded;
  std::string text(to_string(report.kind));
  text.append(" to ").append(report.receiver).append("/").append(report.channel);
  if (!superseded) {
    text.append(" after ").append(std::to_string(report.attempts));
    text += report.attempts == 1 ? " attempt" : " attempts";
  }
  if (!report.text.empty()) text.append(": ").append(report.text);
  add_event(*incident, now_,
            report.state == DeliveryState::Delivered ? "delivered"
            : superseded                             ? "not_sent"
                                                     : "delivery_failed",
            "", std::move(text), result_.change.events);
  if (incident->reports_awaited > 0) --incident->reports_awaited;
  if (incident->events > incident->events_stored) changed_.insert(incident->number);
  // What took its place reports for it; news is no step.
  if (!superseded && report.kind != NotificationKind::News) on_step_report(*incident, report);
}

/// Time does something to an incident when it is due, when it or its group changed, or when what it
/// waits for did: the others are not looked at. In order of number, like all that a step does.
void Engine::run_timers() {
  for (const std::int64_t number : changed_.in_order()) looks_.add(number);
  for (const routing::Group* group : pipeline_.touched()) {
    if (const Incident* incident = incidents_.of_group(group->key)) looks_.add(incident->number);
  }
  for (const std::int64_t number : timers_.due_at(now_)) looks_.add(number);
  if (std::exchange(look_at_all_, false)) {
    for (const Incident& incident : incidents_) looks_.add(incident.number);
  }
  while (const auto number = looks_.next()) {
    Incident* incident = incidents_.find(*number);
    if (!incident) continue;
    run_timer(*incident);
    inform_stakeholders(*incident);
    look_at_dependents(*incident);
  }
  send_digests();
  run_handovers();
  run_maintenance_news();
  drop_over();
}

/// What waits for the incident: the whole that it is a part of, those held because of it, and its
/// parts, which its end releases.
void Engine::look_at_dependents(const Incident& incident) {
  if (incident.merged_into != 0) looks_.add(incident.merged_into);
  if (!incident.resolved()) return;
  for (const std::int64_t number : timers_.held_for(incident.number)) looks_.add(number);
}

void Engine::drop_over() {
  for (const std::int64_t number : looks_.seen()) {
    const Incident* incident = incidents_.find(number);
    if (!incident || !incident->resolved()) continue;
    if (incident->reopen_at || incident->digest_at || changed_.contains(number)) continue;
    if (*incident->resolved_at + settings_.reopen_window > now_) continue;
    forget(number);
  }
}

/// Notes when the incidents of this step are to be looked at again.
void Engine::plan() {
  for (const std::int64_t number : looks_.seen()) plan(number);
  for (const std::int64_t number : changed_.in_order()) {
    if (!looks_.has_seen(number)) plan(number);
  }
  TC_DCHECK(is_planned(), "an incident changed that no step has looked at");
}

void Engine::plan(std::int64_t number) {
  const Incident* incident = incidents_.find(number);
  timers_.set(number, incident ? planned(*incident) : TimerPlan::Entry());
}

TimerPlan::Entry Engine::planned(const Incident& incident) const {
  return {due(incident), incident.held_for};
}

/// For debug builds: whether the plan says of every incident what a look at it would.
bool Engine::is_planned() const {
  constexpr std::size_t kCheckedMax = 200;
  if (incidents_.size() > kCheckedMax) return true;
  return std::all_of(incidents_.begin(), incidents_.end(), [this](const Incident& each) {
    return timers_.of(each.number) == planned(each);
  });
}

void Engine::run_timer(Incident& incident) {
  const routing::Group* group = group_of(incident);
  const bool firing = group && group->firing();
  if (incident.reopen_at && *incident.reopen_at <= now_) {
    changed_.insert(incident.number);
    if (firing && suppressed(incident)) {  // not while it is silenced
      incident.reopen_at = now_ + std::chrono::minutes(1);
      return;
    }
    incident.reopen_at.reset();
    if (firing) {
      reopen(incident, now_, "resolved by a person, but still firing", result_.change.events);
      take_severity(incident, group->severity());
      tell_begin(incident,
                 {NotificationKind::Reopened, Reason::StillFiring, alerts_of(incident), {}});
      pipeline_.mark_told_anew(incident.group_key, now_);
    }
    return;
  }
  if (incident.resolved()) return;
  if (!group && !incident.manual && !has_open_parts(incident)) {
    // Its alerts could not be read back after a restart; if they still fire they open it anew. Or
    // they are over, and now what was merged into it is.
    if (now_ < grace_until_ && !pipeline_.routing().alertmanager) return;
    changed_.insert(incident.number);
    const bool over =
        resolve(incident, now_, "", "its alerts are gone", result_.change.events).has_value();
    // Alertmanager's decisions are made for each integration, and were: nothing more is said.
    if (over && !pipeline_.routing().alertmanager) {
      tell_resolved(incident, Reason::AllResolved, {});
    }
    return;
  }
  // While nothing fires the severity stays what it was: the message that it is over should say it.
  if (firing) take_severity(incident, with_parts(incident, group->severity()));
  if (incident.snoozed_until && *incident.snoozed_until <= now_) {
    end_snooze(incident, "");
    tell_again(incident, Reason::SnoozeEnded);
  }
  if (incident.storm) {
    run_storm(incident);
    if (incident.resolved()) return;
  }
  if (incident.held_for != 0) release_held(incident);
  if (incident.acknowledgement && incident.acknowledgement->until <= now_) {
    unacknowledge(incident, now_, "acknowledgement_expired", "", result_.change.events);
    pipeline_.hold_repeats(incident.group_key, false);
    changed_.insert(incident.number);
    tell_again(incident, Reason::AckExpired);
  }
  pause(incident);
  escalate(incident);
}

/// What held it back is over, if nothing else does: the current step again, or whoever was told.
void Engine::tell_again(Incident& incident, Reason reason) {
  if (incident.merged_into != 0 || incident.snoozed_until) return;
  const bool news = std::exchange(incident.snoozed_news, false);
  if (incident.acknowledgement) {  // it holds, but who works on it must know
    if (news && alive(incident)) tell_update(incident, update_message(incident, reason));
    return;
  }
  if (incident.escalation) {
    resume(incident, reason, news);
  } else if (alive(incident) && !suppressed(incident)) {
    Addresses addresses = told(incident);
    if (addresses.empty()) addresses = route_addresses(incident);  // it was not told of by itself
    notify(incident, update_message(incident, reason), addresses);
    pipeline_.mark_told(incident.group_key, now_);
  }
}

/// The severity of the alerts, unless a person set one that still holds.
void Engine::take_severity(Incident& incident, model::Severity of_alerts) {
  if (incident.severity_set) {
    if (of_alerts <= incident.severity_of_alerts) return;
    incident.severity_set.reset();
  }
  if (of_alerts == incident.severity) return;
  changed_.insert(incident.number);
  set_severity(incident, of_alerts, now_, result_.change.events);
}

std::optional<WallTime> Engine::due(const Incident& incident) const {
  std::optional<WallTime> next = incident.digest_at;
  const auto consider = [&next](const std::optional<WallTime>& at) {
    if (at) next = std::min(next.value_or(*at), *at);
  };
  if (incident.reopen_at || incident.resolved()) {
    consider(incident.reopen_at);
    if (!next) next = *incident.resolved_at + settings_.reopen_window;
    return next;
  }
  if (!incident.manual && !group_of(incident) && !has_open_parts(incident)) {
    consider(grace_until_);
    return next;
  }
  if (incident.acknowledgement) consider(incident.acknowledgement->until);
  consider(news_due(incident));
  consider(incident.snoozed_until);
  if (incident.storm) consider(incident.storm_update_at);
  if (escalates(incident)) {
    consider(incident.escalation->due);
    for (const Waiting& each : incident.escalation->waiting) consider(each.at);
  }
  return next;
}

}  // namespace tocsin::incident
