// An incident and what is merged into it, by a person or by a storm: one whole, which fires as long
// as anything of it does, is as bad as the worst of it, and is told as one.
#include <fmt/format.h>

#include <algorithm>

#include "alertd/incident/engine.h"
#include "common/base/check.h"

namespace tocsin::incident {

using base::ErrorCode;
using base::Result;

Result<void> Engine::apply_merge(const Command& command, Incident& incident) {
  TC_TRY(must_be_open(incident));
  Incident* into = find(command.target);
  if (!into) {
    return base::error(ErrorCode::NotFound,
                       fmt::format("there is no open incident '{}'", command.target));
  }
  TC_TRY(must_be_open(*into));
  if (into == &incident) return invalid("an incident cannot be merged into itself");
  if (incident.merged_into != 0) {
    return invalid(fmt::format("incident {} is merged already, into {}", incident.id(),
                               Incident::incident_id(incident.merged_into)));
  }
  if (into->merged_into != 0) {
    return invalid(fmt::format("incident {} is itself merged into {}", into->id(),
                               Incident::incident_id(into->merged_into)));
  }
  if (auto node = parts_.extract(incident.number)) {  // what was merged into it comes along
    for (const std::int64_t number : node.mapped()) {
      Incident* part = incidents_.find(number);
      if (!part) continue;
      part->merged_into = into->number;
      parts_[into->number].insert(number);
      changed_.insert(number);
    }
  }
  merge(incident, *into, command.actor);
  // Who acknowledged both knows how bad it is.
  if (into->acknowledgement && incident.acknowledgement) {
    model::Severity& known = into->acknowledgement->severity;
    known = std::max(known, incident.acknowledgement->severity);
  }
  if (!into->storm && alive(incident) && raise_whole(*into, incident)) {
    tell_update(*into, update_message(*into, Reason::SeverityRaised));
  }
  return base::ok();
}

void Engine::merge(Incident& incident, Incident& into, const std::string& actor) {
  incident.merged_into = into.number;
  parts_[into.number].insert(incident.number);
  stop_escalation(incident);
  if (incident.escalation) incident.escalation->waiting.clear();
  incident.digest_at.reset();
  add_event(incident, now_, "merged", actor, "into " + into.id(), result_.change.events);
  add_event(into, now_, "merged_here", actor, fmt::format("{}: {}", incident.id(), incident.title),
            result_.change.events);
  // Whoever heard of the part hears of the end of the whole.
  into.told.insert(incident.told.begin(), incident.told.end());
  changed_.insert(incident.number);
  changed_.insert(into.number);
}

Result<void> Engine::apply_unmerge(const Command& command, Incident& incident) {
  if (incident.merged_into == 0) {
    return invalid(fmt::format("incident {} is not merged", incident.id()));
  }
  // While it was a part, what became worse was news of the whole.
  if (incident.snoozed_until && incident.severity > incident.snoozed_severity) {
    end_snooze(incident, "it became worse");
  }
  if (incident.acknowledgement && incident.severity > incident.acknowledgement->severity) {
    unacknowledge(incident, now_, "unacknowledged_by_severity", "", result_.change.events);
    if (!incident.snoozed_until) pipeline_.hold_repeats(incident.group_key, false);
  }
  add_event(incident, now_, "unmerged", command.actor,
            "from " + Incident::incident_id(incident.merged_into), result_.change.events);
  changed_.insert(incident.merged_into);
  if (const auto parts = parts_.find(incident.merged_into); parts != parts_.end()) {
    parts->second.erase(incident.number);
  }
  incident.merged_into = 0;
  if (incident.acknowledgement || incident.snoozed_until) {  // told when that ends
    if (incident.snoozed_until) decided(incident, Reason::Snoozed, false);
    if (!incident.escalation && begin_escalation(incident)) stop_escalation(incident);
  } else if (!incident.resolved() && alive(incident)) {
    tell_begin(incident, update_message(incident, Reason::StillFiring));
  }
  return base::ok();
}

/// Looking for it by its key costs more than all that is asked of it then. One without members is
/// over, or about to be.
const routing::Group* Engine::group_of(const Incident& incident) const {
  if (!incident.group || incident.group->members.empty()) {
    return pipeline_.find_group(incident.group_key);
  }
  TC_DCHECK(pipeline_.find_group(incident.group_key) == incident.group,
            "an incident points at a group that is gone");
  return incident.group;
}

/// A group may be new, or over; one that is over is there until its records are written.
void Engine::follow_groups() {
  for (const routing::Group* group : pipeline_.touched()) {
    Incident* incident = incidents_.of_group(group->key);
    if (incident) incident->group = group->members.empty() ? nullptr : group;
  }
}

/// The whole is over: its parts are incidents of their own again. A person who closes the whole
/// closes them too.
void Engine::release_parts(Incident& incident) {
  const auto node = parts_.extract(incident.number);
  if (node.empty()) return;
  for (const std::int64_t number : node.mapped()) {
    Incident* found = incidents_.find(number);
    if (!found) continue;
    Incident& part = *found;
    part.merged_into = 0;
    changed_.insert(number);
    if (part.resolved()) {
      add_event(part, now_, "unmerged", "", incident.id() + " is over", result_.change.events);
      continue;
    }
    const bool firing = alive(part) && !part.manual;
    if (resolve(part, now_, std::string(incident.resolved_by), "with " + incident.id(),
                result_.change.events)) {
      stop_escalation(part);
      closed_by_person(part, firing);
    }
  }
}

/// Returns the first part that is not resolved and for which `is` holds, or nullptr.
template <typename Predicate>
const Incident* Engine::find_part(const Incident& whole, const Predicate& is) const {
  const auto parts = parts_.find(whole.number);
  if (parts == parts_.end()) return nullptr;
  for (const std::int64_t number : parts->second) {
    const Incident* part = incidents_.find(number);
    if (part && !part->resolved() && is(*part)) return part;
  }
  return nullptr;
}

bool Engine::has_open_parts(const Incident& whole) const {
  return find_part(whole, [](const Incident&) { return true; }) != nullptr;
}

bool Engine::fires_itself(const Incident& incident) const {
  if (incident.manual) return !incident.storm && !incident.resolved();
  const routing::Group* group = group_of(incident);
  return group && group->firing();
}

bool Engine::alive(const Incident& incident) const {
  return fires_itself(incident) ||
         find_part(incident, [this](const Incident& part) { return alive(part); }) != nullptr;
}

/// All that fires is silenced, inhibited or under maintenance, or the route is quiet now.
bool Engine::suppressed(const Incident& incident) const {
  const auto loud = [this](const Incident& each) {
    if (!fires_itself(each)) return false;
    const routing::Group* group = group_of(each);
    return !group || !group->suppressed();
  };
  return !loud(incident) && !find_part(incident, loud) && alive(incident);
}

/// Returns the worst of `own` and of what fires in its parts.
model::Severity Engine::with_parts(const Incident& whole, model::Severity own) const {
  find_part(whole, [&](const Incident& part) {
    if (part.severity > own && alive(part)) own = part.severity;
    return false;
  });
  return own;
}

AlertSet Engine::alerts_of_parts(const Incident& whole) const {
  AlertSet all;
  find_part(whole, [&](const Incident& part) {
    if (suppressed(part)) return false;
    AlertSet alerts = alerts_of(part);
    std::move(alerts.firing.begin(), alerts.firing.end(), std::back_inserter(all.firing));
    return all.firing.size() > 2 * settings_.alerts_per_notification;
  });
  return all;
}

/// Returns whether the part makes the whole worse.
bool Engine::raise_whole(Incident& whole, const Incident& part) {
  const model::Severity before = whole.severity;
  if (part.severity > before) take_severity(whole, part.severity);
  return whole.severity > before;
}

/// News of a part is news of the whole; a storm gathers it for a window, and tells at once what is
/// worse than all of it.
void Engine::tell_whole(const Incident& part, Reason reason) {
  Incident* found = incidents_.find(part.merged_into);
  if (!found || found->resolved()) return;
  Incident& whole = *found;
  if (whole.storm) {
    if (part.severity > whole.severity) {
      whole.storm_update_at = now_;
    } else if (reason != Reason::SomeResolved && reason != Reason::Repeat &&
               !whole.storm_update_at) {
      whole.storm_update_at = now_ + settings_.storm_window;
    }
    return;
  }
  const bool worse = raise_whole(whole, part);
  if (!worse && reason == Reason::SomeResolved) return;
  if (!worse && reason == Reason::Repeat) {
    // The whole repeats itself, as long as it fires itself; then the first of its parts does.
    const auto fires = [this](const Incident& each) { return fires_itself(each); };
    const bool repeats = !fires_itself(whole) && find_part(whole, fires) == &part;
    if (!repeats || whole.acknowledgement) return;
  }
  tell_update(whole, update_message(whole, reason));
}

}  // namespace tocsin::incident
