// The engine's escalation: whom the messages of an incident go to, step by step.
//
// An incident without a policy tells the receiver of its route, as often as routing says. One with
// a policy tells whom the steps name: what happens between steps goes to everybody who was told,
// repeats are the policy's, and the end is told to those who heard of the beginning.
#include <fmt/format.h>

#include <algorithm>

#include "alertd/incident/engine.h"
#include "common/base/strings.h"

namespace tocsin::incident {

using base::WallTime;

namespace {

void add_all(Addresses& to, const Addresses& more) {
  to.insert(more.begin(), more.end());
}

/// Worse than ever before: the policy of that severity takes the place of the one it has. Returns
/// whether it did.
bool take_worse_policy(Incident& incident, const Policy* policy, WallTime now, Timeline& timeline) {
  const bool worse = incident.severity > incident.policy_severity;
  incident.policy_severity = std::max(incident.policy_severity, incident.severity);
  if (!worse || !incident.escalation || !policy || policy->steps.empty() ||
      policy->name == incident.escalation->policy.name) {
    return false;
  }
  add_event(incident, now, "policy_changed", "",
            fmt::format("{} -> {}", incident.escalation->policy.name, policy->name), timeline);
  incident.escalation.reset();
  incident.digest_at.reset();
  return true;
}

/// The step that was run last is the next one; whom it means then is found out anew.
void step_back(Escalation& escalation) {
  std::erase_if(escalation.waiting,
                [&](const Waiting& each) { return each.step == escalation.step; });
  if (escalation.step > 0) --escalation.step;
}

}  // namespace

void Engine::tell_begin(Incident& incident, Message message) {
  if (incident.merged_into != 0) {
    decided(incident, Reason::Merged, false);
    tell_whole(incident, Reason::NewAlerts);
    return;
  }
  const bool again = message.kind == NotificationKind::Reopened;
  if (again) message.also = told(incident);
  if (suppressed(incident)) {
    begin_escalation(incident);
    tell_when_heard(incident, message.reason);
    return;
  }
  if (!begin_escalation(incident)) {
    Addresses addresses = route_addresses(incident);
    add_all(addresses, message.also);
    notify(incident, std::move(message), addresses);
    return;
  }
  if (in_digest(incident)) {
    put_into_digest(incident);
    return;
  }
  if (incident.escalation->due > now_) {  // the first step comes later
    decided(incident, Reason::NobodyTold, false);
    if (!message.also.empty()) tell_told(incident, std::move(message));
    return;
  }
  run_step(incident, std::move(message));
}

void Engine::tell_update(Incident& incident, Message message) {
  if (incident.merged_into != 0) {
    decided(incident, Reason::Merged, false);
    tell_whole(incident, message.reason);
    return;
  }
  if (incident.held_for != 0 && incident.severity != model::Severity::Critical) {
    decided(incident, Reason::Dependency, false);
    return;
  }
  incident.held_for = 0;
  if (incident.snoozed_until) {
    if (incident.severity <= incident.snoozed_severity) {
      decided(incident, Reason::Snoozed, false);
      if (message.reason == Reason::NewAlerts || message.reason == Reason::SeverityRaised) {
        incident.snoozed_news = true;
        changed_.insert(incident.number);
      }
      return;
    }
    end_snooze(incident, "it became worse");
  }
  const bool was_acknowledged =
      incident.acknowledgement && incident.severity > incident.acknowledgement->severity;
  if (was_acknowledged) {
    unacknowledge(incident, now_, "unacknowledged_by_severity", "", result_.change.events);
    pipeline_.hold_repeats(incident.group_key, false);
  }
  const bool step_due = raise_escalation(incident, was_acknowledged);
  if (suppressed(incident)) {
    if (step_due) incident.escalation->due = now_;
    tell_when_heard(incident, message.reason);
    return;
  }
  if (step_due) {
    message.also = told(incident);
    run_step(incident, std::move(message));
    return;
  }
  if (in_digest(incident)) {
    put_into_digest(incident);
    return;
  }
  if (!incident.escalation) {
    Addresses addresses = route_addresses(incident);
    add_all(addresses, incident.told);
    notify(incident, std::move(message), addresses);
    return;
  }
  if (message.reason == Reason::Repeat) {
    decided(incident, Reason::PolicyDecides, false);
    return;
  }
  tell_told(incident, std::move(message));
}

/// All of it is suppressed: its policy goes on when it is not, or the group speaks again then.
void Engine::tell_when_heard(Incident& incident, Reason reason) {
  decided(incident, Reason::Silenced, false, "all that fires of it is suppressed");
  if (in_digest(incident)) {
    put_into_digest(incident);
  } else if (incident.escalation) {
    pause(incident);
  } else {
    pipeline_.speak_again(incident.group_key, reason, now_);
  }
}

void Engine::tell_told(Incident& incident, Message message) {
  const Addresses addresses = told(incident);
  if (addresses.empty() && (incident.escalation || incident.notifications == 0)) {
    decided(incident, Reason::NobodyTold, false);
    return;
  }
  notify(incident, std::move(message), addresses);
}

void Engine::tell_resolved(Incident& incident, Reason reason, AlertSet alerts) {
  stop_escalation(incident);
  if (incident.merged_into != 0) {
    decided(incident, Reason::Merged, false);
    return;
  }
  release_parts(incident);
  if (in_digest(incident)) {
    put_into_digest(incident);
    return;
  }
  tell_told(incident, {NotificationKind::Resolved, reason, std::move(alerts), {}});
}

Engine::Message Engine::update_message(const Incident& incident, Reason reason) const {
  return {NotificationKind::Update, reason, alerts_of(incident), {}};
}

Reason Engine::step_reason(const Incident& incident) const {
  return incident.told.empty() ? Reason::FirstNotification : Reason::Escalated;
}

const Policy* Engine::policy_for(const Incident& incident) const {
  if (incident.manual)
    return settings_.policies.choose(std::string(incident.policy), incident.severity);
  const routing::Route* route = routing::find_route(pipeline_.routing().root, incident.route);
  return settings_.policies.choose(route ? route->policy : "", incident.severity);
}

bool Engine::begin_escalation(Incident& incident) {
  // A reopened incident goes on with the policy it began with, unless it is worse than it was.
  take_worse_policy(incident, policy_for(incident), now_, result_.change.events);
  if (!incident.escalation) {
    const Policy* policy = policy_for(incident);
    if (!policy || policy->steps.empty()) return false;
    incident.escalation.emplace();
    incident.escalation->policy = *policy;
  }
  Escalation& escalation = *incident.escalation;
  escalation.loop = 0;
  escalation.step = 0;
  escalation.remaining.reset();
  escalation.waiting.clear();
  escalation.outstanding.clear();
  escalation.step_sequence = 0;
  escalation.due = now_ + escalation.policy.steps.front().after;
  changed_.insert(incident.number);
  return true;
}

/// Returns whether the severity makes a step due now: a worse one takes the policy of that severity
/// and begins it, or goes on at the current step if somebody had acknowledged less. While an
/// acknowledgement holds, who gave it knows how bad it is: the policy begins when that ends.
bool Engine::raise_escalation(Incident& incident, bool was_acknowledged) {
  bool begins = false;
  if (!incident.escalation) {
    // Reached its policy by becoming worse; a reload alone changes nothing for open incidents.
    begins = incident.severity > incident.policy_severity;
    incident.policy_severity = std::max(incident.policy_severity, incident.severity);
  } else {
    begins = take_worse_policy(incident, policy_for(incident), now_, result_.change.events);
  }
  if (begins) {
    if (!begin_escalation(incident)) return false;
    if (incident.acknowledgement) stop_escalation(incident);
    return !incident.acknowledgement && incident.escalation->due <= now_;
  }
  if (!incident.escalation || !was_acknowledged) return false;
  step_back(*incident.escalation);
  return true;
}

/// While it is suppressed the time of its steps stands still.
void Engine::pause(Incident& incident) {
  if (!incident.escalation || incident.state != IncidentState::Open) return;
  Escalation& escalation = *incident.escalation;
  const bool held = suppressed(incident);
  if (held && escalation.due) {
    escalation.remaining = std::max(*escalation.due - now_, base::Duration(0));
    escalation.due.reset();
    add_event(incident, now_, "escalation_paused", "",
              base::format_duration(*escalation.remaining) + " left", result_.change.events);
    changed_.insert(incident.number);
  } else if (!held && escalation.remaining) {
    escalation.due = now_ + *escalation.remaining;
    escalation.remaining.reset();
    add_event(incident, now_, "escalation_resumed", "", "", result_.change.events);
    changed_.insert(incident.number);
  }
}

bool Engine::escalates(const Incident& incident) const {
  return incident.escalation && !in_digest(incident) && incident.state == IncidentState::Open &&
         !incident.snoozed_until && incident.merged_into == 0 && incident.held_for == 0 &&
         alive(incident) && !suppressed(incident);
}

void Engine::escalate(Incident& incident) {
  if (!escalates(incident)) return;
  tell_waiting(incident);
  Escalation& escalation = *incident.escalation;
  // A step that reaches nobody makes the next one due at once, so there may be several.
  const std::size_t steps = escalation.policy.steps.size() + 1;
  for (std::size_t i = 0; i < steps && escalation.due && *escalation.due <= now_; ++i) {
    run_due(incident);
  }
}

void Engine::run_due(Incident& incident) {
  Escalation& escalation = *incident.escalation;
  if (escalation.step == escalation.policy.steps.size()) {
    if (escalation.loop >= escalation.policy.loops) {
      const Addresses addresses = not_told_now(incident, told(incident));
      if (!addresses.empty()) {
        notify(incident, update_message(incident, Reason::Repeat), addresses);
      }
      set_due(incident);
      return;
    }
    ++escalation.loop;
    escalation.step = 0;
  }
  run_step(incident, update_message(incident, step_reason(incident)));
}

void Engine::run_step(Incident& incident, Message message) {
  changed_.insert(incident.number);
  Escalation& escalation = *incident.escalation;
  const PolicyStep step = escalation.policy.steps[escalation.step];
  ++escalation.step;
  std::vector<WallTime> began;
  for (const model::Alert& alert : message.alerts.firing) began.push_back(alert.starts_at);
  Addresses addresses = std::move(message.also);
  message.also.clear();
  if (const auto because = refused(step, incident.severity, began, now_)) {
    const std::string text =
        fmt::format("policy '{}', {}: {}", escalation.policy.name, escalation.position(), *because);
    decided(incident, Reason::StepSkipped, false, text);
    add_event(incident, now_, "step_skipped", "", escalation.position() + ": " + *because,
              result_.change.events);
    if (!addresses.empty()) notify(incident, std::move(message), addresses);
    set_due(incident);
    return;
  }
  Recipients recipients = resolve(
      step, escalation.policy, {settings_.directory, settings_.receivers, incident.receiver, now_});
  add_event(incident, now_, "escalated", "",
            escalation.position() + ": " + base::join(recipients.notes, "; "),
            result_.change.events);
  for (Waiting& each : recipients.later) {
    decided(incident, Reason::OutsideHours, false,
            fmt::format("policy '{}', {}: {} waits until {}", escalation.policy.name,
                        escalation.position(), each.person, base::format_rfc3339(each.at)));
    const bool known =
        std::any_of(escalation.waiting.begin(), escalation.waiting.end(),
                    [&](const Waiting& other) { return other.receiver == each.receiver; });
    each.step = escalation.step;
    if (!known) escalation.waiting.push_back(std::move(each));
  }
  escalation.outstanding = not_told_now(incident, recipients.now);
  escalation.step_sequence = escalation.outstanding.empty() ? 0 : incident.notifications + 1;
  add_all(addresses, escalation.outstanding);
  if (!addresses.empty()) notify(incident, std::move(message), addresses);
  const bool reached = !recipients.now.empty() || !recipients.later.empty() || recipients.skipped;
  if (recipients.nobody || !reached) {
    add_event(incident, now_, "nobody_on_call", "", escalation.position(), result_.change.events);
    write_down(incident, Reason::NobodyOnCall, false,
               fmt::format("policy '{}', {}: {}", escalation.policy.name, escalation.position(),
                           base::join(recipients.notes, "; ")));
    alarm_fallback(incident, Reason::NobodyOnCall);
    set_due(incident);
    if (escalation.step < escalation.policy.steps.size()) escalation.due = now_;
    return;
  }
  if (recipients.now.empty() && !recipients.later.empty()) {
    escalation.due.reset();  // counted from when the first of them is told
    return;
  }
  set_due(incident);
}

void Engine::tell_waiting(Incident& incident) {
  Escalation& escalation = *incident.escalation;
  Addresses addresses;
  std::string names;
  std::erase_if(escalation.waiting, [&](const Waiting& each) {
    if (each.at > now_) return false;
    const auto receiver = settings_.receivers.find(each.receiver);
    if (receiver != settings_.receivers.end()) {
      for (const std::string& channel : receiver->second)
        addresses.insert(Address{each.receiver, channel});
    }
    names += (names.empty() ? "" : ", ") + each.person;
    return true;
  });
  if (names.empty()) return;
  addresses = not_told_now(incident, std::move(addresses));
  changed_.insert(incident.number);
  add_event(incident, now_, "hours_begin", "", names, result_.change.events);
  if (escalation.step_sequence == 0 && !addresses.empty()) {
    escalation.outstanding = addresses;
    escalation.step_sequence = incident.notifications + 1;
  }
  if (!addresses.empty()) {
    notify(incident, update_message(incident, step_reason(incident)), addresses);
  }
  if (!escalation.due && !escalation.remaining) set_due(incident);
}

void Engine::alarm_fallback(Incident& incident, Reason reason) {
  if (!alarmed_.insert(incident.number).second) return;
  const Escalation& escalation = *incident.escalation;
  PolicyStep fallback;
  fallback.notify = escalation.policy.fallback;
  if (fallback.notify.empty()) fallback.notify = {oncall::Target{}};
  Addresses addresses = resolve(fallback, escalation.policy,
                                {settings_.directory, settings_.receivers, incident.receiver, now_})
                            .now;
  addresses = not_told_now(incident, std::move(addresses));
  if (addresses.empty()) return;
  notify(incident, update_message(incident, reason), addresses);
}

void Engine::set_due(Incident& incident) {
  Escalation& escalation = *incident.escalation;
  changed_.insert(incident.number);
  const auto delay = escalation.next_delay(incident.severity);
  escalation.due = delay ? std::optional(now_ + *delay) : std::nullopt;
  if (delay) return;
  add_event(incident, now_, "escalation_ended", "", "all steps of the policy are through",
            result_.change.events);
}

void Engine::stop_escalation(Incident& incident) {
  if (!incident.escalation) return;
  incident.escalation->due.reset();
  incident.escalation->remaining.reset();
  incident.escalation->outstanding.clear();
  incident.escalation->step_sequence = 0;
}

void Engine::resume(Incident& incident, Reason reason, bool news) {
  if (in_digest(incident)) {
    put_into_digest(incident);
    return;
  }
  Escalation& escalation = *incident.escalation;
  changed_.insert(incident.number);
  step_back(escalation);
  if (!escalates(incident)) {
    escalation.due = now_;  // as soon as something fires again
    return;
  }
  Message message = update_message(incident, reason);
  if (news) message.also = told(incident);
  run_step(incident, std::move(message));
}

void Engine::on_step_report(Incident& incident, const DeliveryReport& report) {
  if (!incident.escalation || incident.resolved()) return;
  Escalation& escalation = *incident.escalation;
  if (escalation.step_sequence == 0 || report.sequence < escalation.step_sequence) return;
  if (escalation.outstanding.erase(Address{report.receiver, report.channel}) == 0) return;
  changed_.insert(incident.number);
  if (report.state != DeliveryState::Dead) {
    escalation.outstanding.clear();
    escalation.step_sequence = 0;
    return;
  }
  if (!escalation.outstanding.empty()) return;
  escalation.step_sequence = 0;
  if (!escalates(incident)) return;
  add_event(incident, now_, "step_failed", "", escalation.position() + ": no delivery succeeded",
            result_.change.events);
  alarm_fallback(incident, Reason::StepFailed);
  if (escalation.due && escalation.step < escalation.policy.steps.size()) escalation.due = now_;
}

}  // namespace tocsin::incident
