// The rarer half of Pipeline: restart, new configuration, clock jumps, explanation.
#include <algorithm>

#include "alertd/routing/pipeline.h"

namespace tocsin::routing {

using base::WallTime;

Pipeline::Pipeline(Routing routing, PipelineLimits limits)
    : routing_(std::move(routing)), limits_(limits) {
  use_routing(WallTime{});
}

void Pipeline::restore(StoredRouting stored, WallTime now, WallTime grace_until) {
  grace_until_ = grace_until;
  last_now_ = now;
  silences_.restore(std::move(stored.silences), now);
  maintenances_.restore(std::move(stored.maintenances), now);
  logs_.restore(std::move(stored.logs));
  for (model::Alert& alert : stored.alerts) {
    const Fingerprint fingerprint = alert.fingerprint();
    AlertEntry& entry = alerts_[fingerprint];
    entry.resolved = alert.ends_at.has_value();
    entry.alert = std::move(alert);
    if (!entry.resolved) set_expiry(fingerprint, entry);
  }
  for (Group& each : stored.groups) {
    Group& group = groups_[each.key] = std::move(each);
    group.turn.reset();  // of the pipeline that it comes from
    group.dirty = 0;
    for (auto member = group.members.begin(); member != group.members.end();) {
      const auto alert = alerts_.find(member->first);
      if (alert == alerts_.end()) {
        member = group.members.erase(member);
        continue;
      }
      alert->second.groups.insert(group.key);
      if (alert->second.resolved) member->second.resolved = true;
      ++member;
    }
  }
  last_found_ = nullptr;
  std::erase_if(groups_, [this](const auto& each) {
    if (each.second.members.empty()) dirty_.groups.insert({each.first, nullptr});
    return each.second.members.empty();
  });
  std::erase_if(alerts_, [this](const auto& each) {
    if (!each.second.groups.empty()) return false;
    expiries_.erase({each.second.expires_at, each.first});
    dirty_.alerts.insert(each.first);
    return true;
  });
  clamp_turns(now);
  set_routing(std::move(routing_), now);
  asides_.clear();  // as it was before
}

void Pipeline::hold_timeouts(WallTime grace_until) {
  grace_until_ = grace_until;
  for (auto& [fingerprint, entry] : alerts_) {
    if (!entry.resolved) set_expiry(fingerprint, entry);
  }
}

void Pipeline::index_routes(const Route& route) {
  routes_[route.name] = &route;
  for (const Route& child : route.children) index_routes(child);
}

const Route* Pipeline::route(const std::string& name) const {
  const auto found = routes_.find(name);
  return found == routes_.end() ? nullptr : found->second;
}

/// Everything that is derived from the configuration alone.
void Pipeline::use_routing(WallTime now) {
  routes_.clear();
  index_routes(routing_.root);
  intervals_.clear();
  for (const TimeInterval& interval : routing_.time_intervals) {
    Interval& watched = intervals_[interval.name];
    watched.interval = interval;
    watched.inside = contains(interval, now);
    watched.seen_at = now;
    watched.next_change = next_change(interval, now);
  }
  silences_.set_limits(routing_.silences.limits);
  maintenances_.configure(routing_.maintenance, now);
  flapping_.set_rules(routing_.alertmanager ? FlapRules{0, {}} : routing_.flapping);
  inhibition_ = Inhibition(routing_.inhibit_rules);
}

void Pipeline::set_routing(Routing routing, WallTime now) {
  routing_ = std::move(routing);
  last_now_ = now;
  use_routing(now);
  for (auto& [key, group] : groups_) {
    const Route* its = route(group.route);
    if (its && its->receiver != group.receiver) {
      group.receiver = its->receiver;
      mark_dirty(group);
    }
    Mute mute = mute_of(its ? *its : routing_.root);
    if (group.mute.any() && !mute.any() && group.waited) group.early_turn = now;
    group.mute = std::move(mute);
  }
  std::vector<Fingerprint> firing;
  for (const auto& [fingerprint, entry] : alerts_) {
    if (!entry.resolved) firing.push_back(fingerprint);
  }
  std::sort(firing.begin(),
            firing.end());  // not the order of a hash table: the same run every time
  Touched touched;
  advance_suppression(now, touched);
  for (const Fingerprint fingerprint : firing) {
    const AlertEntry& entry = alerts_.at(fingerprint);
    inhibition_.fires(fingerprint, labels(entry.alert));
  }
  hide_all(now, touched);
  for (const Fingerprint fingerprint : firing) {
    place(fingerprint, alerts_.at(fingerprint), now, touched);
  }
  std::vector<std::string> keys;
  for (const auto& [key, group] : groups_) keys.push_back(key);
  for (const std::string& key : keys) refresh(groups_.at(key), now);
  plan_reminder();
  // A reload tells nobody; why something is held now is worth keeping all the same.
  for (Action& action : actions_) {
    if (action.alert == 0 || action.send) continue;
    asides_.push_back({action.group_key, action.alert, action.reason, std::move(action.text)});
  }
  actions_.clear();
  touched_.clear();
}

void Pipeline::clamp_turns(WallTime now) {
  for (auto& [key, group] : groups_) {
    const Timing limits = timing(group);
    const WallTime latest = now + std::max(limits.group_wait, limits.group_interval);
    group.next_turn = std::min(group.next_turn, latest);
    if (group.early_turn) group.early_turn = std::min(*group.early_turn, latest);
    if (group.resolved_at) group.resolved_at = std::min(*group.resolved_at, now);
    group.log.at = std::min(group.log.at, now);
    for (auto& [fingerprint, member] : group.members) member.since = std::min(member.since, now);
    index(group);
  }
}

void Pipeline::hold_repeats(const std::string& group_key, bool hold) {
  const auto found = groups_.find(group_key);
  if (found == groups_.end() || found->second.repeats_held == hold) return;
  found->second.repeats_held = hold;
  mark_dirty(found->second);
}

void Pipeline::speak_again(const std::string& group_key, Reason reason, WallTime now) {
  const auto found = groups_.find(group_key);
  if (found == groups_.end() || !found->second.waited) return;  // its first message comes anyway
  found->second.forced = reason;
  found->second.early_turn = now;
  index(found->second);
}

void Pipeline::mark_told(const std::string& group_key, WallTime now) {
  const auto found = groups_.find(group_key);
  if (found == groups_.end()) return;
  found->second.log.at = now;
  mark_dirty(found->second);
}

void Pipeline::mark_told_anew(const std::string& group_key, WallTime now) {
  mark_told(group_key, now);
  const auto found = groups_.find(group_key);
  if (found == groups_.end() || routing_.alertmanager) return;
  Group& group = found->second;
  std::erase_if(group.log.firing, [&group](const auto& told) {
    const auto member = group.members.find(told.first);
    return member != group.members.end() && member->second.hidden.has_value();
  });
}

void Pipeline::mark_over(const std::string& group_key) {
  const auto found = groups_.find(group_key);
  if (found == groups_.end() || routing_.alertmanager) return;
  Group& group = found->second;
  const auto over = [&group](const auto& told) {
    const auto member = group.members.find(told.first);
    return member != group.members.end() && member->second.resolved;
  };
  if (std::erase_if(group.log.firing, over) > 0) mark_dirty(group);
}

const Group* Pipeline::find_group(const std::string& key) const {
  if (last_found_ && last_found_->key == key) return last_found_;
  const auto found = groups_.find(key);
  if (found == groups_.end()) return nullptr;
  return last_found_ = &found->second;
}

const AlertEntry* Pipeline::find_alert(Fingerprint fingerprint) const {
  const auto found = alerts_.find(fingerprint);
  return found == alerts_.end() ? nullptr : &found->second;
}

void Pipeline::mark_dirty(Group& group) {
  if (group.dirty != 0) return;
  dirty_groups_.push_back(&group);
  group.dirty = dirty_groups_.size();
}

/// The group goes.
void Pipeline::forget(const Group& group) {
  if (last_found_ == &group) last_found_ = nullptr;
  if (group.dirty == 0) return;
  dirty_groups_[group.dirty - 1] = nullptr;
  dirty_.groups.insert({group.key, nullptr});
}

Dirty Pipeline::take_dirty() {
  Dirty dirty = std::exchange(dirty_, {});
  for (Group* group : std::exchange(dirty_groups_, {})) {
    if (!group) continue;
    group->dirty = 0;
    dirty.groups.insert_or_assign(group->key, group);
  }
  dirty.silences = silences_.take_dirty();
  dirty.maintenances = maintenances_.take_dirty();
  dirty.logs = logs_.take_dirty();
  return dirty;
}

Explanation Pipeline::explain(const model::Alert& alert) const {
  Explanation explanation;
  for (const Route* route : walk(routing_.root, labels(alert), &explanation.walk)) {
    Explanation::InGroup in;
    in.group_key = group_key(*route, group_labels(*route, labels(alert)));
    in.route = route->name;
    in.receiver = route->receiver;
    in.mute = mute_of(*route);
    in.timing = route->timing_for(alert.severity);
    if (const Group* group = find_group(in.group_key)) {
      in.exists = true;
      in.timing = timing(*group);
      in.next_turn = due(*group);
      if (!group->log.firing.empty()) in.told_at = group->log.at;
      for (const auto& [fingerprint, member] : group->members) {
        ++(member.resolved ? in.resolved : in.firing);
      }
    }
    in.decisions = decisions_.of(in.group_key);
    explanation.groups.push_back(std::move(in));
  }
  explanation.suppression = suppression_of(alert);
  explanation.suppressed_by = who_hides(explanation.suppression);
  explanation.refusals = decisions_.of(alert_subject(alert.fingerprint()));
  return explanation;
}

}  // namespace tocsin::routing
