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
      tell_begin(
          incident,
          {NotificationKind::Reopened, Reason::StillFiring, alerts_of(incident.group_key), {}});
      pipeline_.mark_told(incident.group_key, now_);
    }
    return;
  }
  if (incident.resolved()) return;
  if (!group) {
    // Its alerts could not be read back after a restart; if they still fire they open it anew.
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
  if (firing && group->severity() != incident.severity) {
    set_severity(incident, group->severity(), now_, result_.change.events);
    changed_.insert(incident.number);
  }
  if (incident.acknowledgement && incident.acknowledgement->until <= now_) {
    unacknowledge(incident, now_, "acknowledgement_expired", "", result_.change.events);
    pipeline_.hold_repeats(incident.group_key, false);
    changed_.insert(incident.number);
    if (incident.escalation) {
      resume(incident, Reason::AckExpired);
    } else if (firing) {
      notify(incident, update_message(incident, Reason::AckExpired), told(incident));
      pipeline_.mark_told(incident.group_key, now_);
    }
  }
  escalate(incident);
}

std::optional<WallTime> Engine::due(const Incident& incident) const {
  if (incident.reopen_at) return incident.reopen_at;
  if (incident.resolved()) return *incident.resolved_at + settings_.reopen_window;
  if (!pipeline_.find_group(incident.group_key)) return grace_until_;
  std::optional<WallTime> next;
  const auto consider = [&next](const std::optional<WallTime>& at) {
    if (at) next = std::min(next.value_or(*at), *at);
  };
  if (incident.acknowledgement) consider(incident.acknowledgement->until);
  if (escalates(incident)) {
    consider(incident.escalation->due);
    for (const Waiting& each : incident.escalation->waiting) consider(each.at);
  }
  return next;
}

}  // namespace tocsin::incident
