#include "alertd/routing/pipeline.h"

#include <fmt/format.h>

#include <algorithm>

namespace tocsin::routing {

using base::WallTime;

namespace {

std::string alert_text(const model::Alert& alert) {
  return alert.labels.to_string();
}

/// Returns when the alert is taken as resolved if nobody says anything more.
WallTime stated_end(const model::Alert& alert) {
  return alert.ends_at ? *alert.ends_at : alert.valid_until;
}

/// A resolve said for a time that this clock has not reached yet is a resolve all the same.
bool said_resolved(const model::Alert& alert, WallTime now) {
  return alert.ends_at && (*alert.ends_at <= now || *alert.ends_at <= alert.updated_at);
}

/// An end that is announced for later is a time-out, as the clients of Alertmanager mean it.
model::Alert as_firing(model::Alert alert) {
  alert.valid_until = stated_end(alert);
  alert.ends_at.reset();
  return alert;
}

/// Alertmanager's mode: `valid_until` is the end, whoever said it; `ends_at` only once it is past.
model::Alert as_posted(model::Alert alert) {
  alert.valid_until = stated_end(alert);
  alert.ends_at.reset();
  return alert;
}

/// Source: Alertmanager, types.Alert.Merge and provider/mem; shared/reference/routing.md, "Ingest".
model::Alert merge_posted(const AlertEntry& entry, const model::Alert& alert, WallTime now) {
  const model::Alert& old = entry.alert;
  model::Alert merged = as_posted(alert);
  const WallTime end = merged.valid_until;
  const bool overlap = (end > old.starts_at && end < old.valid_until) ||
                       (merged.starts_at > old.starts_at && merged.starts_at < old.valid_until);
  if (!overlap) return merged;
  merged.starts_at = std::min(merged.starts_at, old.starts_at);
  const bool resolved = end <= now;
  const bool was_resolved = old.valid_until <= now;
  if (old.valid_until > end && (resolved ? was_resolved : !entry.timeout)) {
    merged.valid_until = old.valid_until;
  }
  return merged;
}

/// Returns whether the difference must survive a restart. Values in annotations change at every
/// evaluation and are not worth a disk write; they are stored with the next change that is.
bool materially_different(const model::Alert& a, const model::Alert& b) {
  return a.severity != b.severity || a.starts_at != b.starts_at || a.ends_at != b.ends_at;
}

}  // namespace

std::vector<Action> Pipeline::step(WallTime now, std::span<const model::Alert> alerts) {
  if (now < last_now_) clamp_turns(now);
  last_now_ = now;
  touched_.clear();
  Touched touched;
  advance_suppression(now, touched);
  for (const model::Alert& alert : alerts) {
    if (routing_.alertmanager) {
      take_in_alertmanager(alert, now, touched);
    } else {
      take_in(alert, now, touched);
    }
  }
  time_out(now, touched);
  if (!touched.empty()) end_silences_of_resolved(now, touched);
  for (Group* group : touched) refresh(*group, now);
  remind_of_silences(now);
  std::size_t spoken = 0;
  for (Turns* line : {&urgent_turns_, &turns_}) {
    while (!line->empty() && line->begin()->first <= now && spoken < limits_.turns_per_step) {
      take_turn(*line->begin()->second, now);
      ++spoken;
    }
  }
  return std::exchange(actions_, {});
}

std::optional<WallTime> Pipeline::next_due() const {
  std::optional<WallTime> next;
  const auto consider = [&next](std::optional<WallTime> at) {
    if (at) next = std::min(next.value_or(WallTime::max()), *at);
  };
  if (!expiries_.empty()) next = expiries_.begin()->first;
  for (const Turns* line : {&urgent_turns_, &turns_}) {
    if (!line->empty()) consider(line->begin()->first);
  }
  for (const auto& [name, interval] : intervals_) consider(interval.next_change);
  consider(silences_.next_change());
  consider(next_reminder_);
  consider(maintenances_.next_change());
  consider(flapping_.next_due());
  consider(logs_.next_expiry());
  return next;
}

void Pipeline::take_in(const model::Alert& alert, WallTime now, Touched& touched) {
  const Fingerprint fingerprint = alert.fingerprint();
  const auto known = alerts_.find(fingerprint);
  const WallTime end = std::max(stated_end(alert), grace_until_);
  const bool resolved = said_resolved(alert, now) || end <= now;
  if (refuse(alert, resolved, known == alerts_.end() ? nullptr : &known->second, now)) return;

  const bool is_new = known == alerts_.end();
  AlertEntry& entry = is_new ? alerts_[fingerprint] : known->second;
  const bool began = is_new || entry.resolved;
  const bool changed = began || entry.alert.severity != alert.severity;
  if (is_new) {
    entry.alert = as_firing(alert);
    dirty_.alerts.insert(fingerprint);
  } else {
    merge(entry, alert, resolved);
  }
  if (resolved) {
    if (!entry.resolved) resolve(fingerprint, std::min(stated_end(alert), now), touched);
    return;
  }
  entry.resolved = false;
  set_expiry(fingerprint, entry);
  if (changed) {
    inhibit(fingerprint, entry, now, touched);
    hide(fingerprint, now, touched);
  }
  place(fingerprint, entry, now, touched);
  if (began && flapping_.changed(fingerprint, now)) force(entry, Reason::Flapping, now);
}

void Pipeline::take_in_alertmanager(const model::Alert& alert, WallTime now, Touched& touched) {
  const Fingerprint fingerprint = alert.fingerprint();
  const auto known = alerts_.find(fingerprint);
  const bool is_new = known == alerts_.end();
  if (is_new && alerts_.size() >= limits_.alerts_max) {
    refuse(alert, false, nullptr, now);
    return;
  }
  AlertEntry& entry = is_new ? alerts_[fingerprint] : known->second;
  const model::Alert merged = is_new ? as_posted(alert) : merge_posted(entry, alert, now);
  const bool resolved = merged.valid_until <= now;
  const bool changed = is_new || entry.resolved != resolved;
  if (changed || materially_different(entry.alert, merged)) dirty_.alerts.insert(fingerprint);
  entry.timeout = !alert.ends_at;
  expiries_.erase({entry.expires_at, fingerprint});
  entry.alert = merged;
  entry.resolved = resolved;
  if (resolved) {
    entry.alert.ends_at = merged.valid_until;
    if (changed) unhide_others(fingerprint, now, touched);
  } else {
    set_expiry(fingerprint, entry);
    if (changed) inhibit(fingerprint, entry, now, touched);
  }
  if (changed) hide(fingerprint, now, touched);
  place(fingerprint, entry, now, touched);
  for (const std::string& key : entry.groups) {
    Group& group = groups_.at(key);
    // Said for each alert that comes in, not for the first of its group only.
    if (!group.waited && entry.alert.starts_at + timing(group).group_wait < now) {
      group.next_turn = now;
    }
    touched.insert(&group);
  }
}

bool Pipeline::refuse(const model::Alert& alert, bool resolved, const AlertEntry* known,
                      WallTime now) {
  Reason reason = Reason::Unchanged;
  if (known && alert.updated_at < known->alert.updated_at) {
    reason = Reason::Outdated;
  } else if (!known && resolved) {
    reason = Reason::NeverNotified;
  } else if (!known && alerts_.size() >= limits_.alerts_max) {
    reason = Reason::LimitExceeded;
  } else {
    return false;
  }
  Action action;
  action.reason = reason;
  action.alert = alert.fingerprint();
  action.text = alert_text(alert);
  record(std::move(action), now);
  return true;
}

void Pipeline::merge(AlertEntry& entry, const model::Alert& alert, bool resolved) {
  model::Alert merged = resolved ? alert : as_firing(alert);
  const bool same_occurrence = !entry.resolved;
  if (same_occurrence) merged.starts_at = std::min(entry.alert.starts_at, alert.starts_at);
  // A resolve often comes without the text; people want to read what it was about.
  if (resolved && merged.annotations.empty()) merged.annotations = entry.alert.annotations;
  if (entry.resolved && resolved) merged.ends_at = entry.alert.ends_at;
  if (materially_different(entry.alert, merged)) dirty_.alerts.insert(alert.fingerprint());
  entry.alert = std::move(merged);
}

void Pipeline::resolve(Fingerprint fingerprint, WallTime at, Touched& touched) {
  AlertEntry& entry = alerts_.at(fingerprint);
  expiries_.erase({entry.expires_at, fingerprint});
  entry.resolved = true;
  entry.alert.ends_at = at;
  dirty_.alerts.insert(fingerprint);
  unhide_others(fingerprint, last_now_, touched);
  const bool began_to_flap = !routing_.alertmanager && flapping_.changed(fingerprint, last_now_);
  const bool held = !routing_.alertmanager && flapping_.flaps(fingerprint);
  for (const std::string& key : entry.groups) {
    Group& group = groups_.at(key);
    Member& member = group.members.at(fingerprint);
    if (member.resolved) continue;
    touched.insert(&group);
    member.held = held;
    if (held) continue;
    member.resolved = true;
    member.since = last_now_;
    mark_dirty(group);
  }
  if (began_to_flap) force(entry, Reason::Flapping, last_now_);
}

void Pipeline::time_out(WallTime now, Touched& touched) {
  while (!expiries_.empty() && expiries_.begin()->first <= now) {
    const auto [at, fingerprint] = *expiries_.begin();
    resolve(fingerprint, at, touched);
  }
}

void Pipeline::set_expiry(Fingerprint fingerprint, AlertEntry& entry) {
  expiries_.erase({entry.expires_at, fingerprint});
  entry.expires_at = std::max(entry.alert.valid_until, grace_until_);
  expiries_.insert({entry.expires_at, fingerprint});
}

void Pipeline::place(Fingerprint fingerprint, AlertEntry& entry, WallTime now, Touched& touched) {
  std::set<std::string> wanted;
  for (const Route* route : walk(routing_.root, labels(entry.alert), nullptr)) {
    Group& group = group_for(*route, entry.alert, now);
    wanted.insert(group.key);
    const auto member = group.members.find(fingerprint);
    if (member == group.members.end() || member->second.resolved != entry.resolved ||
        member->second.severity != entry.alert.severity) {
      join(group, fingerprint, entry, now);
      touched.insert(&group);
    } else if (member->second.held) {
      member->second.held = false;
      touched.insert(&group);
    }
  }
  for (const std::string& key : entry.groups) {
    if (wanted.contains(key)) continue;
    Group& group = groups_.at(key);
    touched.insert(&group);
    leave(group, fingerprint, now);
    // Ours: a member until that group's turn has told of it.
    if (!routing_.alertmanager) wanted.insert(key);
  }
  entry.groups = std::move(wanted);
}

Group& Pipeline::group_for(const Route& route, const model::Alert& alert, WallTime now) {
  model::Labels named = group_labels(route, labels(alert));
  std::string key = group_key(route, named);
  auto found = groups_.find(key);
  if (found == groups_.end() && groups_.size() >= limits_.groups_max) {
    named = model::Labels();
    key = route.name + ":overflow";
    found = groups_.find(key);
  }
  if (found != groups_.end()) return found->second;
  Group group;
  group.key = key;
  group.route = route.name;
  group.receiver = route.receiver;
  group.labels = std::move(named);
  group.mute = mute_of(route);
  group.created_at = now;
  // An alert that has fired for longer than group_wait already is not made to wait again.
  // (Alertmanager's word for it is strictly longer.)
  const base::Duration wait = route.timing_for(alert.severity).group_wait;
  const bool waits =
      routing_.alertmanager ? alert.starts_at + wait >= now : alert.starts_at + wait > now;
  group.next_turn = waits ? now + wait : now;
  return groups_.emplace(std::move(key), std::move(group)).first->second;
}

void Pipeline::join(Group& group, Fingerprint fingerprint, const AlertEntry& entry, WallTime now) {
  Member& member = group.members[fingerprint];
  member.severity = entry.alert.severity;
  member.resolved = entry.resolved;
  member.held = false;
  member.since = now;
  member.hidden = entry.suppression.reason();
  mark_dirty(group);
  if (entry.resolved) return;
  Action action;
  action.group_key = group.key;
  action.reason = member.hidden.value_or(group.waited ? Reason::GroupInterval : Reason::GroupWait);
  action.alert = fingerprint;
  action.text = alert_text(entry.alert);
  if (member.hidden) action.text += ": " + who_hides(entry.suppression);
  record(std::move(action), now);
}

void Pipeline::leave(Group& group, Fingerprint fingerprint, WallTime now) {
  mark_dirty(group);
  if (routing_.alertmanager) {  // there, a reload forgets groups; nobody is told
    group.members.erase(fingerprint);
    return;
  }
  Member& member = group.members.at(fingerprint);
  member.held = false;
  if (member.resolved) return;
  member.resolved = true;
  member.since = now;
}

}  // namespace tocsin::routing
