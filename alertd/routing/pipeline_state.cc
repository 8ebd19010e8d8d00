// The rarer half of Pipeline: restart, new configuration, clock jumps, explanation.
#include <fmt/format.h>

#include <algorithm>

#include "alertd/routing/pipeline.h"

namespace tocsin::routing {

using base::WallTime;

void Pipeline::restore(std::vector<model::Alert> alerts, std::vector<Group> groups, WallTime now,
                       WallTime grace_until) {
  grace_until_ = grace_until;
  last_now_ = now;
  for (model::Alert& alert : alerts) {
    const Fingerprint fingerprint = alert.fingerprint();
    AlertEntry& entry = alerts_[fingerprint];
    entry.resolved = alert.ends_at.has_value();
    entry.alert = std::move(alert);
    if (!entry.resolved) set_expiry(fingerprint, entry);
  }
  for (Group& stored : groups) {
    Group& group = groups_[stored.key] = std::move(stored);
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
  std::erase_if(groups_, [this](const auto& each) {
    if (each.second.members.empty()) dirty_.groups.insert(each.first);
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
}

void Pipeline::hold_timeouts(WallTime grace_until) {
  grace_until_ = grace_until;
  for (auto& [fingerprint, entry] : alerts_) {
    if (!entry.resolved) set_expiry(fingerprint, entry);
  }
}

void Pipeline::set_routing(Routing routing, WallTime now) {
  routing_ = std::move(routing);
  actions_.clear();
  for (auto& [key, group] : groups_) {
    const Route* route = find_route(routing_.root, group.route);
    if (route && route->receiver != group.receiver) {
      group.receiver = route->receiver;
      dirty_.groups.insert(key);
    }
  }
  std::vector<Fingerprint> firing;
  for (const auto& [fingerprint, entry] : alerts_) {
    if (!entry.resolved) firing.push_back(fingerprint);
  }
  std::sort(firing.begin(),
            firing.end());  // not the order of a hash table: the same run every time
  Touched touched;
  for (const Fingerprint fingerprint : firing) {
    place(fingerprint, alerts_.at(fingerprint), now, touched);
  }
  for (auto& [key, group] : groups_) refresh(group, now);
  actions_.clear();
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
  dirty_.groups.insert(group_key);
}

void Pipeline::mark_told(const std::string& group_key, WallTime now) {
  const auto found = groups_.find(group_key);
  if (found == groups_.end()) return;
  found->second.log.at = now;
  dirty_.groups.insert(group_key);
}

const Group* Pipeline::find_group(const std::string& key) const {
  const auto found = groups_.find(key);
  return found == groups_.end() ? nullptr : &found->second;
}

const AlertEntry* Pipeline::find_alert(Fingerprint fingerprint) const {
  const auto found = alerts_.find(fingerprint);
  return found == alerts_.end() ? nullptr : &found->second;
}

Dirty Pipeline::take_dirty() {
  return std::exchange(dirty_, {});
}

Explanation Pipeline::explain(const model::Alert& alert) const {
  Explanation explanation;
  for (const Route* route : walk(routing_.root, alert, &explanation.walk)) {
    Explanation::InGroup in;
    in.group_key = group_key(*route, group_labels(*route, alert));
    in.route = route->name;
    in.receiver = route->receiver;
    if (const Group* group = find_group(in.group_key)) {
      in.exists = true;
      in.next_turn = due(*group);
    }
    in.decisions = decisions_.of(in.group_key);
    explanation.groups.push_back(std::move(in));
  }
  explanation.refusals = decisions_.of(fmt::format("alert:{:016x}", alert.fingerprint()));
  return explanation;
}

}  // namespace tocsin::routing
