#include "alertd/routing/pipeline.h"

#include <algorithm>

namespace tocsin::routing {

using base::WallTime;

namespace {

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
  indexed_.clear();
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
  if (!touched.groups().empty()) end_silences_of_resolved(now, touched);
  for (Group* group : touched.groups()) refresh(*group, now);
  remind_of_silences(now);
  std::size_t spoken = 0;
  for (TurnQueue* turns : {&urgent_turns_, &turns_}) {
    while (turns->next().value_or(WallTime::max()) <= now && spoken < limits_.turns_per_step) {
      take_turn(*turns->first(), now);
      ++spoken;
    }
  }
  expiries_.settle();
  return std::exchange(actions_, {});
}

std::optional<WallTime> Pipeline::next_due() const {
  std::optional<WallTime> next;
  const auto consider = [&next](std::optional<WallTime> at) {
    if (at) next = std::min(next.value_or(WallTime::max()), *at);
  };
  consider(expiries_.next());
  consider(urgent_turns_.next());
  consider(turns_.next());
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
  if (refuse(alert, resolved, known == alerts_.end() ? nullptr : &known->second)) return;

  const bool is_new = known == alerts_.end();
  AlertEntry& entry = is_new ? alerts_[fingerprint] : known->second;
  const bool began = is_new || entry.resolved;
  const bool changed = began || entry.alert.severity != alert.severity;
  if (is_new) {
    entry.fingerprint = fingerprint;
    entry.alert = as_firing(alert);
    mark_dirty(entry);
  } else {
    merge(entry, alert, resolved);
  }
  if (resolved) {
    if (!entry.resolved) resolve(entry, std::min(stated_end(alert), now), touched);
    return;
  }
  entry.resolved = false;
  set_expiry(entry);
  // Said again and nothing new: it is where it was, unless there was no room for its group.
  const bool stays = !changed && std::none_of(entry.places.begin(), entry.places.end(),
                                              [](const auto& at) { return at.group->overflow; });
  if (stays) return;
  if (changed) {
    inhibit(entry, now, touched);
    hide(entry, now, touched);
  }
  place(entry, now, touched);
  if (began && change(entry, now)) force(entry, Reason::Flapping, now);
}

void Pipeline::take_in_alertmanager(const model::Alert& alert, WallTime now, Touched& touched) {
  const Fingerprint fingerprint = alert.fingerprint();
  const auto known = alerts_.find(fingerprint);
  const bool is_new = known == alerts_.end();
  if (is_new && no_room_for(alert)) {
    refuse(alert, false, nullptr);
    return;
  }
  AlertEntry& entry = is_new ? alerts_[fingerprint] : known->second;
  entry.fingerprint = fingerprint;
  const model::Alert merged = is_new ? as_posted(alert) : merge_posted(entry, alert, now);
  const bool resolved = merged.valid_until <= now;
  const bool changed = is_new || entry.resolved != resolved;
  if (changed || materially_different(entry.alert, merged)) mark_dirty(entry);
  entry.timeout = !alert.ends_at;
  entry.alert = merged;
  entry.resolved = resolved;
  if (resolved) {
    entry.alert.ends_at = merged.valid_until;
    if (changed) unhide_others(entry, now, touched);
  } else {
    set_expiry(entry);
    if (changed) inhibit(entry, now, touched);
  }
  if (changed) hide(entry, now, touched);
  place(entry, now, touched);
  for (const AlertEntry::Place& place : entry.places) {
    Group& group = *place.group;
    // Said for each alert that comes in, not for the first of its group only.
    if (!group.waited && entry.alert.starts_at + timing(group).group_wait < now) {
      group.next_turn = now;
    }
    touched.add(group);
  }
}

bool Pipeline::refuse(const model::Alert& alert, bool resolved, const AlertEntry* known) {
  Reason reason = Reason::Unchanged;
  if (known && alert.updated_at < known->alert.updated_at) {
    reason = Reason::Outdated;
  } else if (!known && resolved) {
    reason = Reason::NeverNotified;
  } else if (!known && no_room_for(alert)) {
    reason = Reason::LimitExceeded;
  } else {
    return false;
  }
  Action action;
  action.reason = reason;
  action.alert = alert.fingerprint();
  action.labels = alert.labels;
  actions_.push_back(std::move(action));
  return true;
}

// What is Critical must not be lost because much is not.
bool Pipeline::no_room_for(const model::Alert& alert) const {
  const bool critical = alert.severity == model::Severity::Critical;
  return alerts_.size() >= limits_.alerts_max + (critical ? limits_.alerts_max / 10 : 0);
}

void Pipeline::merge(AlertEntry& entry, const model::Alert& alert, bool resolved) {
  model::Alert merged = resolved ? alert : as_firing(alert);
  const bool same_occurrence = !entry.resolved;
  if (same_occurrence) merged.starts_at = std::min(entry.alert.starts_at, alert.starts_at);
  // A resolve often comes without the text; people want to read what it was about.
  if (resolved && merged.annotations.empty()) merged.annotations = entry.alert.annotations;
  if (entry.resolved && resolved) merged.ends_at = entry.alert.ends_at;
  if (materially_different(entry.alert, merged)) mark_dirty(entry);
  // Its group, its incident and its messages share them.
  merged.labels = entry.alert.labels;
  if (merged.annotations == entry.alert.annotations) merged.annotations = entry.alert.annotations;
  entry.alert = std::move(merged);
}

void Pipeline::resolve(AlertEntry& entry, WallTime at, Touched& touched) {
  entry.resolved = true;
  entry.alert.ends_at = at;
  mark_dirty(entry);
  unhide_others(entry, last_now_, touched);
  const bool began_to_flap = !routing_.alertmanager && change(entry, last_now_);
  const bool held = !routing_.alertmanager && flapping_.flaps(entry.fingerprint);
  for (const auto& [group, member] : entry.places) {
    if (member->resolved) continue;
    touched.add(*group);
    member->held = held;
    if (held) continue;
    member->resolved = true;
    member->since = last_now_;
    mark_dirty(*group);
  }
  if (began_to_flap) force(entry, Reason::Flapping, last_now_);
}

/// Notes that it began or ceased to fire; returns whether it just began to flap.
bool Pipeline::change(AlertEntry& entry, WallTime now) {
  return flapping_.changed(entry.fingerprint, std::exchange(entry.changed_at, now), now);
}

void Pipeline::time_out(WallTime now, Touched& touched) {
  while (AlertEntry* entry = expiries_.take_over(now)) resolve(*entry, entry->expires_at, touched);
}

void Pipeline::set_expiry(AlertEntry& entry) {
  entry.expires_at = std::max(entry.alert.valid_until, grace_until_);
  expiries_.set(entry);
}

void Pipeline::place(AlertEntry& entry, WallTime now, Touched& touched) {
  boost::container::small_vector<Group*, 4> wanted;
  for (const Route* route : walk(routing_.root, labels(entry.alert), nullptr)) {
    Group& group = group_for(*route, entry.alert, now);
    wanted.push_back(&group);
    Member* member = entry.member_of(group);
    if (!member || member->resolved != entry.resolved || member->severity != entry.alert.severity) {
      join(group, entry, now);
      touched.add(group);
    } else if (member->held) {
      member->held = false;
      touched.add(group);
    }
  }
  for (auto at = entry.places.begin(); at != entry.places.end();) {
    const bool stays = std::find(wanted.begin(), wanted.end(), at->group) != wanted.end();
    if (!stays) {
      touched.add(*at->group);
      leave(*at, now);
    }
    // Ours: a member until that group's turn has told of it.
    at = stays || !routing_.alertmanager ? at + 1 : entry.places.erase(at);
  }
}

Group& Pipeline::group_for(const Route& route, const model::Alert& alert, WallTime now) {
  model::Labels named = group_labels(route, labels(alert));
  std::string key = group_key(route, named);
  Group* found = groups_.find(key);
  const bool overflow = !found && groups_.size() >= limits_.groups_max;
  if (overflow) {
    named = model::Labels();
    key = overflow_key(route.name);
    found = groups_.find(key);
  }
  if (found) return *found;
  auto group = std::make_unique<Group>();
  group->key = key;
  const Configured& configured = routes_.at(route.name);
  group->its_route = &route;
  group->route = configured.name;
  group->receiver = configured.receiver;
  group->labels = std::move(named);
  group->overflow = overflow;
  group->mute = mute_of(route);
  group->created_at = now;
  // An alert that has fired for longer than group_wait already is not made to wait again.
  // (Alertmanager's word for it is strictly longer.)
  const base::Duration wait = route.timing_for(alert.severity).group_wait;
  const bool waits =
      routing_.alertmanager ? alert.starts_at + wait >= now : alert.starts_at + wait > now;
  group->next_turn = waits ? now + wait : now;
  return groups_.add(std::move(group));
}

void Pipeline::join(Group& group, AlertEntry& entry, WallTime now) {
  Member& member = link(group, entry);
  member.severity = entry.alert.severity;
  member.resolved = entry.resolved;
  member.held = false;
  member.since = now;
  member.hidden = entry.suppression().reason();
  mark_dirty(group);
  if (entry.resolved) return;
  Action action;
  action.group = &group;
  action.reason = member.hidden.value_or(group.waited ? Reason::GroupInterval : Reason::GroupWait);
  action.alert = entry.fingerprint;
  action.labels = entry.alert.labels;
  if (member.hidden) action.text = who_hides(entry.suppression());
  actions_.push_back(std::move(action));
}

/// Makes the alert a member of the group, if it is none.
Member& Pipeline::link(Group& group, AlertEntry& entry) {
  Member& member = group.members[entry.fingerprint];
  member.alert = &entry;
  if (!entry.member_of(group)) {
    const auto at = std::find_if(entry.places.begin(), entry.places.end(),
                                 [&](const auto& place) { return place.group->key > group.key; });
    entry.places.insert(at, {&group, &member});
  }
  return member;
}

void Pipeline::leave(AlertEntry::Place place, WallTime now) {
  mark_dirty(*place.group);
  if (routing_.alertmanager) {  // there, a reload forgets groups; nobody is told
    place.group->members.erase(place.member->alert->fingerprint);
    return;
  }
  place.member->held = false;
  if (place.member->resolved) return;
  place.member->resolved = true;
  place.member->since = now;
}

}  // namespace tocsin::routing
