// The rarer half of Pipeline: restart, new configuration, clock jumps, explanation.
#include <algorithm>

#include "alertd/routing/pipeline.h"

namespace tocsin::routing {

using base::WallTime;

namespace {

/// Forgets that members were told to fire; returns whether there was such a one.
template <class Which>
bool erase_told(Group& group, Which which) {
  auto& firing = group.log.firing;
  const auto kept = std::remove_if(firing.begin(), firing.end(), [&](const auto& told) {
    const auto member = group.members.find(told.first);
    return member != group.members.end() && which(member->second);
  });
  const bool any = kept != firing.end();
  firing.erase(kept, firing.end());
  return any;
}

}  // namespace

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
    entry.fingerprint = fingerprint;
    entry.resolved = alert.ends_at.has_value();
    entry.alert = std::move(alert);
    if (!entry.resolved) set_expiry(entry);
  }
  for (Group& each : stored.groups) restore_group(std::move(each));
  std::erase_if(alerts_, [this](const auto& each) {
    if (!each.second.places.empty()) return false;
    alerts_gone_.push_back(each.first);
    return true;
  });
  clamp_turns(now);
  set_routing(std::move(routing_), now);
  expiries_.settle();
  asides_.clear();  // as it was before
}

void Pipeline::restore_group(Group stored) {
  auto group = std::make_unique<Group>(std::move(stored));
  group->turn.reset();  // of the pipeline that it comes from
  group->dirty = 0;
  group->touched = false;
  group->overflow = group->key == overflow_key(std::string(group->route));
  group->its_route = &route_or_root(group->route);
  std::erase_if(group->members, [this](const auto& each) { return !alerts_.contains(each.first); });
  if (group->members.empty()) {
    groups_gone_.push_back(std::move(group));
    return;
  }
  for (auto& [fingerprint, member] : group->members) {
    AlertEntry& entry = alerts_.at(fingerprint);
    link(*group, entry);
    if (entry.resolved) member.resolved = true;
  }
  groups_.add(std::move(group));
}

void Pipeline::hold_timeouts(WallTime grace_until) {
  grace_until_ = grace_until;
  for (auto& [fingerprint, entry] : alerts_) {
    if (!entry.resolved) set_expiry(entry);
  }
  expiries_.settle();
}

void Pipeline::index_routes(const Route& route) {
  routes_[route.name] = {&route, route.name, route.receiver};
  for (const Route& child : route.children) index_routes(child);
}

const Route* Pipeline::route(std::string_view name) const {
  const auto found = routes_.find(name);
  return found == routes_.end() ? nullptr : found->second.route;
}

const Route& Pipeline::route_or_root(std::string_view name) const {
  const Route* found = route(name);
  return found ? *found : routing_.root;
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
  for (Group* group : groups_by_key()) {
    if (const auto its = routes_.find(group->route);
        its != routes_.end() && its->second.receiver != group->receiver) {
      group->receiver = its->second.receiver;
      mark_dirty(*group);
    }
    group->its_route = &route_or_root(group->route);
    Mute mute = mute_of(*group->its_route);
    if (group->mute.any() && !mute.any() && group->waited) group->early_turn = now;
    group->mute = std::move(mute);
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
  for (const Fingerprint fingerprint : firing) place(alerts_.at(fingerprint), now, touched);
  for (Group* group : groups_by_key()) refresh(*group, now);
  plan_reminder();
  // A reload tells nobody; why something is held now is worth keeping all the same.
  for (Action& action : actions_) {
    if (action.alert == 0 || action.send) continue;
    asides_.push_back({action.group, action.alert, action.reason, action.said()});
  }
  actions_.clear();
  indexed_.clear();
}

void Pipeline::clamp_turns(WallTime now) {
  for (Group* group : groups_by_key()) {
    const Timing limits = timing(*group);
    const WallTime latest = now + std::max(limits.group_wait, limits.group_interval);
    group->next_turn = std::min(group->next_turn, latest);
    if (group->early_turn) group->early_turn = std::min(*group->early_turn, latest);
    if (group->resolved_at) group->resolved_at = std::min(*group->resolved_at, now);
    group->log.at = std::min(group->log.at, now);
    for (auto& [fingerprint, member] : group->members) member.since = std::min(member.since, now);
    index(*group);
  }
}

void Pipeline::hold_repeats(std::string_view group_key, bool hold) {
  Group* group = groups_.find(group_key);
  if (!group || group->repeats_held == hold) return;
  group->repeats_held = hold;
  mark_dirty(*group);
}

void Pipeline::speak_again(std::string_view group_key, Reason reason, WallTime now) {
  if (Group* group = groups_.find(group_key)) speak_again(*group, reason, now);
}

void Pipeline::speak_again(Group& group, Reason reason, WallTime now) {
  if (!group.waited) return;  // its first message comes anyway
  group.forced = reason;
  group.early_turn = now;
  index(group);
}

void Pipeline::mark_told(std::string_view group_key, WallTime now) {
  Group* group = groups_.find(group_key);
  if (!group) return;
  group->log.at = now;
  mark_dirty(*group);
}

void Pipeline::mark_told_anew(std::string_view group_key, WallTime now) {
  mark_told(group_key, now);
  Group* group = groups_.find(group_key);
  if (!group || routing_.alertmanager) return;
  erase_told(*group, [](const Member& member) { return member.hidden.has_value(); });
}

void Pipeline::mark_over(std::string_view group_key) {
  Group* group = groups_.find(group_key);
  if (!group || routing_.alertmanager) return;
  if (erase_told(*group, [](const Member& member) { return member.resolved; })) mark_dirty(*group);
}

const Group* Pipeline::find_group(std::string_view key) const {
  if (last_found_ && last_found_->key == key) return last_found_;
  const Group* found = groups_.find(key);
  return found ? last_found_ = found : nullptr;
}

/// Not in the order of a hash table: the same run every time.
std::vector<Group*> Pipeline::groups_by_key() const {
  std::vector<Group*> groups;
  groups.reserve(groups_.size());
  for (const auto& group : groups_) groups.push_back(group.get());
  std::sort(groups.begin(), groups.end(),
            [](const Group* a, const Group* b) { return a->key < b->key; });
  return groups;
}

const AlertEntry* Pipeline::find_alert(Fingerprint fingerprint) const {
  const auto found = alerts_.find(fingerprint);
  return found == alerts_.end() ? nullptr : &found->second;
}

void Pipeline::mark_dirty(Group& group) {
  if (group.dirty != 0) return;
  dirty_groups_.push_back(&group);
  group.dirty = static_cast<std::uint32_t>(dirty_groups_.size());
}

void Pipeline::mark_dirty(AlertEntry& entry) {
  if (entry.dirty != 0) return;
  dirty_alerts_.push_back(&entry);
  entry.dirty = static_cast<std::uint32_t>(dirty_alerts_.size());
}

/// The group goes; whoever heard of it in this step may still look at it.
void Pipeline::forget(Group& group) {
  if (last_found_ == &group) last_found_ = nullptr;
  if (group.dirty != 0) dirty_groups_[group.dirty - 1] = nullptr;
  groups_gone_.push_back(groups_.remove(group));
}

/// The alert goes.
void Pipeline::forget(AlertEntry& entry) {
  if (entry.dirty != 0) dirty_alerts_[entry.dirty - 1] = nullptr;
  alerts_gone_.push_back(entry.fingerprint);
  alerts_.erase(Fingerprint(entry.fingerprint));
}

Dirty Pipeline::take_dirty() {
  Dirty dirty;
  for (AlertEntry* entry : std::exchange(dirty_alerts_, {})) {
    if (!entry) continue;
    entry->dirty = 0;
    dirty.alerts.push_back(entry);
  }
  for (Group* group : std::exchange(dirty_groups_, {})) {
    if (!group) continue;
    group->dirty = 0;
    dirty.groups.push_back(group);
  }
  // What came again meanwhile is among those that changed.
  for (const Fingerprint fingerprint : std::exchange(alerts_gone_, {})) {
    if (!alerts_.contains(fingerprint)) dirty.alerts_gone.insert(fingerprint);
  }
  for (const auto& group : std::exchange(groups_gone_, {})) {
    if (!groups_.find(group->key)) dirty.groups_gone.insert(std::string(group->key));
  }
  indexed_.clear();
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
    explanation.groups.push_back(std::move(in));
  }
  explanation.suppression = suppression_of(alert);
  explanation.suppressed_by = who_hides(explanation.suppression);
  return explanation;
}

}  // namespace tocsin::routing
