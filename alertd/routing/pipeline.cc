#include "alertd/routing/pipeline.h"

#include <fmt/format.h>

#include <algorithm>

#include "alertd/routing/dedup.h"

namespace tocsin::routing {

using base::WallTime;

namespace {

std::string alert_subject(Fingerprint fingerprint) {
  return fmt::format("alert:{:016x}", fingerprint);
}

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

/// Returns whether the difference must survive a restart. Values in annotations change at every
/// evaluation and are not worth a disk write; they are stored with the next change that is.
bool materially_different(const model::Alert& a, const model::Alert& b) {
  return a.severity != b.severity || a.starts_at != b.starts_at || a.ends_at != b.ends_at;
}

}  // namespace

Pipeline::Pipeline(Routing routing, PipelineLimits limits)
    : routing_(std::move(routing)), limits_(limits) {}

std::vector<Action> Pipeline::step(WallTime now, std::span<const model::Alert> alerts) {
  if (now < last_now_) clamp_turns(now);
  last_now_ = now;
  actions_.clear();
  Touched touched;
  for (const model::Alert& alert : alerts) take_in(alert, now, touched);
  time_out(now, touched);
  for (const std::string& key : touched) refresh(groups_.at(key), now);
  while (!turns_.empty() && turns_.begin()->first <= now) {
    const std::string key = turns_.begin()->second;
    take_turn(groups_.at(key), now);
  }
  return std::move(actions_);
}

std::optional<WallTime> Pipeline::next_due() const {
  std::optional<WallTime> next;
  if (!expiries_.empty()) next = expiries_.begin()->first;
  if (!turns_.empty()) next = std::min(next.value_or(WallTime::max()), turns_.begin()->first);
  return next;
}

void Pipeline::take_in(const model::Alert& alert, WallTime now, Touched& touched) {
  const Fingerprint fingerprint = alert.fingerprint();
  const auto known = alerts_.find(fingerprint);
  const WallTime end = std::max(stated_end(alert), grace_until_);
  const bool resolved = said_resolved(alert, now) || end <= now;
  if (refuse(alert, resolved, known == alerts_.end() ? nullptr : &known->second, now)) return;

  AlertEntry& entry = alerts_[fingerprint];
  const bool is_new = known == alerts_.end();
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
  place(fingerprint, entry, now, touched);
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
  record(std::move(action), now, alert_text(alert));
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
  for (const std::string& key : entry.groups) {
    Member& member = groups_.at(key).members.at(fingerprint);
    if (member.resolved) continue;
    member.resolved = true;
    member.since = last_now_;
    dirty_.groups.insert(key);
    touched.insert(key);
  }
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
  for (const Route* route : walk(routing_.root, entry.alert, nullptr)) {
    Group& group = group_for(*route, entry.alert, now);
    wanted.insert(group.key);
    const auto member = group.members.find(fingerprint);
    if (member == group.members.end() || member->second.resolved ||
        member->second.severity != entry.alert.severity) {
      join(group, fingerprint, entry, now);
      touched.insert(group.key);
    }
  }
  for (const std::string& key : entry.groups) {
    if (wanted.contains(key)) continue;
    leave(key, fingerprint, now);
    touched.insert(key);
    wanted.insert(key);  // a member until that group's turn has told of it
  }
  entry.groups = std::move(wanted);
}

Group& Pipeline::group_for(const Route& route, const model::Alert& alert, WallTime now) {
  model::Labels labels = group_labels(route, alert);
  std::string key = group_key(route, labels);
  auto found = groups_.find(key);
  if (found == groups_.end() && groups_.size() >= limits_.groups_max) {
    labels = model::Labels();
    key = route.name + ":overflow";
    found = groups_.find(key);
  }
  if (found != groups_.end()) return found->second;
  Group group;
  group.key = key;
  group.route = route.name;
  group.receiver = route.receiver;
  group.labels = std::move(labels);
  group.created_at = now;
  // An alert that has fired for longer than group_wait already is not made to wait again.
  const base::Duration wait = route.timing_for(alert.severity).group_wait;
  group.next_turn = alert.starts_at + wait <= now ? now : now + wait;
  return groups_.emplace(std::move(key), std::move(group)).first->second;
}

void Pipeline::join(Group& group, Fingerprint fingerprint, const AlertEntry& entry, WallTime now) {
  Member& member = group.members[fingerprint];
  member.severity = entry.alert.severity;
  member.resolved = false;
  member.since = now;
  dirty_.groups.insert(group.key);
  Action action;
  action.group_key = group.key;
  action.reason = group.waited ? Reason::GroupInterval : Reason::GroupWait;
  action.alert = fingerprint;
  record(std::move(action), now, alert_text(entry.alert));
}

void Pipeline::leave(const std::string& key, Fingerprint fingerprint, WallTime now) {
  Member& member = groups_.at(key).members.at(fingerprint);
  if (member.resolved) return;
  member.resolved = true;
  member.since = now;
  dirty_.groups.insert(key);
}

void Pipeline::refresh(Group& group, WallTime now) {
  bool firing = false;
  WallTime last_resolve{};
  for (const auto& [fingerprint, member] : group.members) {
    firing = firing || !member.resolved;
    last_resolve = std::max(last_resolve, member.since);
  }
  const bool was_resolved = group.resolved_at.has_value();
  group.resolved_at = firing ? std::nullopt : std::optional(last_resolve);
  if (firing) {
    const base::Duration wait = timing(group).group_wait;
    model::Severity told = model::Severity::Low;
    for (const auto& [fingerprint, severity] : group.log.firing) told = std::max(told, severity);
    const bool raised = group.log.firing.empty() || group.severity() > told;
    if (raised && routing_.raise_early) {
      group.early_turn = std::min(group.early_turn.value_or(WallTime::max()), now + wait);
    }
  } else if (!was_resolved && group.waited &&
             routing_.resolve_wait.value_or(base::Duration{0}).count() > 0) {
    Action action;
    action.group_key = group.key;
    action.reason = Reason::ResolveWait;
    record(std::move(action), now, "");
  }
  index(group);
}

std::optional<WallTime> Pipeline::due(const Group& group) const {
  if (group.members.empty()) return std::nullopt;
  if (group.firing() || !group.waited) {
    return std::min(group.next_turn, group.early_turn.value_or(WallTime::max()));
  }
  if (!routing_.resolve_wait) return group.next_turn;
  return *group.resolved_at + *routing_.resolve_wait;
}

void Pipeline::index(Group& group) {
  if (const auto old = turn_of_.find(group.key); old != turn_of_.end()) {
    turns_.erase({old->second, group.key});
    turn_of_.erase(old);
  }
  if (const auto at = due(group)) {
    turns_.insert({*at, group.key});
    turn_of_[group.key] = *at;
  }
}

void Pipeline::take_turn(Group& group, WallTime now) {
  Verdict verdict = decide(group, timing(group).repeat_interval, now);
  // Just started: whether it still fires is not known yet.
  if (verdict.reason == Reason::Repeat && now < grace_until_) verdict = {false, Reason::Unchanged};
  Action action;
  action.group_key = group.key;
  action.send = verdict.send;
  action.reason = verdict.reason;
  std::map<Fingerprint, model::Severity> firing_now;
  for (const auto& [fingerprint, member] : group.members) {
    if (!member.resolved) firing_now[fingerprint] = member.severity;
    if (!verdict.send) continue;
    model::Alert alert = alerts_.at(fingerprint).alert;
    if (!member.resolved) {
      action.firing.push_back(std::move(alert));
    } else if (group.log.firing.contains(fingerprint)) {
      if (!alert.ends_at) alert.ends_at = member.since;  // it left this group, and fires elsewhere
      action.resolved.push_back(std::move(alert));
    }
  }
  if (verdict.send) {
    group.log.firing = std::move(firing_now);
    group.log.at = now;
    dirty_.groups.insert(group.key);
    action.group = group;
  }
  if (!group.waited) dirty_.groups.insert(group.key);
  group.waited = true;
  group.early_turn.reset();
  group.next_turn = now + timing(group).group_interval;
  const std::string key = group.key;
  const std::string text = verdict.send ? fmt::format("{} firing, {} resolved",
                                                      action.firing.size(), action.resolved.size())
                                        : "";
  record(std::move(action), now, text);
  drop_resolved(group);
}

void Pipeline::drop_resolved(Group& group) {
  for (auto member = group.members.begin(); member != group.members.end();) {
    if (!member->second.resolved) {
      ++member;
      continue;
    }
    const Fingerprint fingerprint = member->first;
    AlertEntry& entry = alerts_.at(fingerprint);
    entry.groups.erase(group.key);
    if (entry.groups.empty()) {
      expiries_.erase({entry.expires_at, fingerprint});
      alerts_.erase(fingerprint);
      dirty_.alerts.insert(fingerprint);
    }
    member = group.members.erase(member);
    dirty_.groups.insert(group.key);
  }
  index(group);
  if (group.members.empty()) groups_.erase(std::string(group.key));
}

Timing Pipeline::timing(const Group& group) const {
  const Route* route = find_route(routing_.root, group.route);
  return (route ? *route : routing_.root).timing_for(group.severity());
}

void Pipeline::record(Action action, WallTime now, std::string text) {
  Decision decision;
  decision.first_at = decision.last_at = now;
  decision.sent = action.send;
  decision.reason = action.reason;
  decision.text = std::move(text);
  decisions_.add(action.group_key.empty() ? alert_subject(action.alert) : action.group_key,
                 std::move(decision));
  actions_.push_back(std::move(action));
}

}  // namespace tocsin::routing
