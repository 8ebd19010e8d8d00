// The engine's decisions, kept for "why was nobody called": one row when the answer changes.
//
// Written by the code that decides, in the same commit as what follows from it. The texts are for
// people and name who and what; the reason beside them is for programs.
#include <fmt/format.h>

#include "alertd/incident/engine.h"
#include "alertd/incident/record_codec.h"
#include "common/base/strings.h"

namespace tocsin::incident {

using base::WallTime;

namespace {

std::string with(const std::string& text, std::string_view more) {
  if (text.empty()) return std::string(more);
  return more.empty() ? text : fmt::format("{}: {}", text, more);
}

std::string until(WallTime at) {
  return "until " + base::format_rfc3339(at);
}

DecisionRecord record_of(std::string_view group_key, routing::Fingerprint alert,
                         std::string_view reason, std::string text) {
  DecisionRecord record;
  record.subject = group_key;
  if (alert != 0) {
    record.fingerprint = alert_key(alert);
    record.subject = group_key.empty() ? routing::alert_subject(alert)
                                       : fmt::format("{}{}", kMemberSubject, group_key);
  }
  record.reason = reason;
  record.text = std::move(text);
  return record;
}

std::string next_step(const Incident& incident) {
  const Escalation& escalation = *incident.escalation;
  const std::string policy = fmt::format("policy '{}'", escalation.policy.name);
  if (escalation.due) {
    return fmt::format("{}: next step at {}", policy, base::format_rfc3339(*escalation.due));
  }
  if (escalation.remaining) return policy + " is paused";
  return policy + " has no further step due";
}

}  // namespace

void Engine::decided(const Incident& incident, Reason reason, bool sent, std::string text) {
  decided(reason, sent);
  write_down(incident, reason, sent, std::move(text));
}

/// Without counting it: it was counted, or is no decision of its own.
void Engine::write_down(const Incident& incident, Reason reason, bool sent, std::string text) {
  DecisionRecord record = record_of(incident.group_key, 0, routing::to_string(reason),
                                    text.empty() ? why(incident, reason) : std::move(text));
  record.incident_id = incident.id();
  record.sent = sent;
  write_down(std::move(record));
}

void Engine::write_down(DecisionRecord record, const std::string& part) {
  record.at = now_;
  // What is said of one alert in its group is said when it changes, and only then.
  const bool of_member = record.subject.starts_with(kMemberSubject);
  if (of_member || keeper_.news(record, part)) {
    result_.change.decisions.push_back(std::move(record));
  }
}

/// What routing decided to hold.
void Engine::held(const routing::Action& action) {
  decided(action.reason, false);
  DecisionRecord record =
      record_of(action.group_key(), action.alert, routing::to_string(action.reason), action.said());
  if (!action.silence.empty()) record.subject = "silence:" + action.silence;
  const bool there = action.group && !action.group->members.empty();
  const routing::Group* group = there ? action.group : nullptr;
  const Incident* incident = incidents_.of_group(action.group_key());
  if (incident && !incident->resolved()) record.incident_id = incident->id();
  if (group && action.alert == 0 && group->mute.any() && action.reason == group->mute.reason) {
    record.text = routing::describe(group->mute);
  } else if (group && action.alert != 0 && group->waited && group->mute.any() &&
             action.reason == Reason::GroupInterval) {
    // Its turn does not come before the route speaks again.
    record.reason = routing::to_string(group->mute.reason);
    record.text = with(record.text, routing::describe(group->mute));
  } else {
    record.text = with(record.text, why(action, group, incident));
  }
  if (!action.integration.empty()) record.text = with(action.integration, record.text);
  write_down(std::move(record), action.integration);
}

/// Between decisions.
void Engine::write_down(const routing::Aside& aside) {
  write_down(record_of(aside.group->key, aside.alert,
                       aside.reason ? routing::to_string(*aside.reason) : kReleased, aside.text));
}

/// Returns what the reason means for this group, beyond its name.
std::string Engine::why(const routing::Action& action, const routing::Group* group,
                        const Incident* incident) const {
  if (!group) return {};
  const WallTime turn = std::min(group->next_turn, group->early_turn.value_or(group->next_turn));
  switch (action.reason) {
    case Reason::GroupWait:
      return group->waited ? std::string() : "group_wait " + until(turn);
    case Reason::GroupInterval:
      return "the group's next turn is at " + base::format_rfc3339(turn);
    case Reason::Acknowledged:
      if (!incident) return {};
      return why(*incident, incident->snoozed_until ? Reason::Snoozed : Reason::Acknowledged);
    case Reason::Unchanged: {
      if (group->log.firing.empty()) return {};
      const std::string told = "already told at " + base::format_rfc3339(group->log.at);
      if (incident && incident->escalation) return told + ", " + next_step(*incident);
      const routing::Route* route = pipeline_.route(group->route);
      const base::Duration repeat =
          (route ? *route : pipeline_.routing().root).timing_for(group->severity()).repeat_interval;
      if (repeat.count() == 0) return told + ", never repeated";
      return told + ", repeat at " + base::format_rfc3339(group->log.at + repeat);
    }
    case Reason::ResolveWait:
      return "to see whether it stays resolved";
    default:
      return {};
  }
}

/// Returns what the reason means for this incident, beyond its name.
std::string Engine::why(const Incident& incident, Reason reason) const {
  switch (reason) {
    case Reason::Acknowledged:
      if (!incident.acknowledgement) return {};
      return fmt::format("acknowledged by {} {}", incident.acknowledgement->by,
                         until(incident.acknowledgement->until));
    case Reason::Snoozed:
      return incident.snoozed_until ? "snoozed " + until(*incident.snoozed_until) : "";
    case Reason::Storm:
    case Reason::Merged:
      if (incident.merged_into == 0) return {};
      return "merged into " + Incident::incident_id(incident.merged_into);
    case Reason::Dependency:
      if (incident.held_for == 0) return {};
      return fmt::format("waits for {}, on which it depends",
                         Incident::incident_id(incident.held_for));
    case Reason::Digest:
      if (!incident.digest_at) return {};
      return "told with the digest of " + base::format_rfc3339(*incident.digest_at);
    case Reason::ResolvedByPerson: {
      const std::string by(incident.resolved_by.empty() ? "a person" : incident.resolved_by.view());
      const std::string again =
          incident.reopen_at ? ", looked at again at " + base::format_rfc3339(*incident.reopen_at)
                             : std::string();
      return "resolved by " + by + again;
    }
    case Reason::PolicyDecides:
      return incident.escalation ? next_step(incident) : "";
    case Reason::NobodyTold:
      if (!incident.escalation || !incident.escalation->due) return {};
      return fmt::format("the first step of policy '{}' is due at {}",
                         incident.escalation->policy.name,
                         base::format_rfc3339(*incident.escalation->due));
    default:
      return {};
  }
}

}  // namespace tocsin::incident
