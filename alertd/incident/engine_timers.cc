// The engine's timers: what happens to incidents as time goes by, and what became of deliveries.
#include <fmt/format.h>

#include <algorithm>

#include "alertd/incident/engine.h"

namespace tocsin::incident {

using base::WallTime;

void Engine::on_report(const DeliveryReport& report) {
  Incident* incident = find(report.incident_id);
  if (!incident) return;  // long over; the store has the delivery's record
  const bool superseded = report.state == DeliveryState::Superseded;
  const std::string attempts = superseded ? std::string()
                                          : fmt::format(" after {} attempt{}", report.attempts,
                                                        report.attempts == 1 ? "" : "s");
  add_event(*incident, now_,
            report.state == DeliveryState::Delivered ? "delivered"
            : superseded                             ? "not_sent"
                                                     : "delivery_failed",
            "",
            fmt::format("{} to {}/{}{}{}{}", to_string(report.kind), report.receiver,
                        report.channel, attempts, report.text.empty() ? "" : ": ", report.text),
            result_.change.events);
  changed_.insert(incident->number);
  if (!superseded) on_step_report(*incident, report);  // what took its place reports for it
}

void Engine::run_timers() {
  for (auto& [number, incident] : incidents_) run_timer(incident);
  send_digests();
  run_handovers();
  std::erase_if(incidents_, [this](const auto& each) {
    const Incident& incident = each.second;
    const bool over = incident.resolved() && !incident.reopen_at && !incident.digest_at &&
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
      pipeline_.mark_told(incident.group_key, now_);
    }
    return;
  }
  if (incident.resolved()) return;
  if (!group && !incident.manual) {
    // Its alerts could not be read back after a restart; if they still fire they open it anew. Or
    // they are over, and what was merged into it was not.
    const bool waits = now_ < grace_until_ && !pipeline_.routing().alertmanager;
    if (waits || has_open_parts(incident)) return;
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
  if (firing && group->severity() != incident.severity) take_severity(incident, group->severity());
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

/// What held it back is over: the current step again, or whoever was told.
void Engine::tell_again(Incident& incident, Reason reason) {
  if (incident.merged_into != 0) return;
  if (incident.escalation) {
    resume(incident, reason);
  } else if (alive(incident) && !suppressed(incident)) {
    notify(incident, update_message(incident, reason), told(incident));
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
  if (incident.reopen_at) return incident.reopen_at;
  if (incident.resolved()) {
    return incident.digest_at.value_or(*incident.resolved_at + settings_.reopen_window);
  }
  if (!incident.manual && !pipeline_.find_group(incident.group_key)) {
    if (has_open_parts(incident)) return std::nullopt;
    return grace_until_;
  }
  std::optional<WallTime> next;
  const auto consider = [&next](const std::optional<WallTime>& at) {
    if (at) next = std::min(next.value_or(*at), *at);
  };
  if (incident.acknowledgement) consider(incident.acknowledgement->until);
  consider(incident.snoozed_until);
  consider(incident.digest_at);
  if (incident.storm) consider(incident.storm_update_at);
  if (escalates(incident)) {
    consider(incident.escalation->due);
    for (const Waiting& each : incident.escalation->waiting) consider(each.at);
  }
  return next;
}

}  // namespace tocsin::incident
