// When a group speaks, and what it says.
#include <fmt/format.h>

#include <algorithm>

#include "alertd/routing/dedup.h"
#include "alertd/routing/pipeline.h"
#include "common/base/strings.h"

namespace tocsin::routing {

using base::WallTime;

namespace {

/// Alertmanager logs a notification after it was delivered. So a repeat_interval that is a multiple
/// of group_interval is not over at that tick but at the next one, as people know it.
constexpr base::Duration kLoggedAfter{250};

}  // namespace

void Pipeline::refresh(Group& group, WallTime now) {
  bool firing = false;
  WallTime last_resolve{};
  group.visible = group.news = false;
  for (const auto& [fingerprint, member] : group.members) {
    if (member.resolved) {
      group.news = true;
      last_resolve = std::max(last_resolve, member.since);
    } else if (member.hidden) {
      firing = firing || group.log.firing.contains(fingerprint);
    } else {
      group.visible = firing = true;
    }
  }
  const bool was_resolved = group.resolved_at.has_value();
  if (firing) {
    group.resolved_at.reset();
  } else if (!was_resolved || group.news) {
    group.resolved_at = last_resolve;
  }
  if (routing_.alertmanager) {
    index(group);
    if (group.members.empty()) drop_resolved(group);
    return;
  }
  if (group.visible) {
    const base::Duration wait = timing(group).group_wait;
    model::Severity told = model::Severity::Low;
    for (const auto& [fingerprint, severity] : group.log.firing) told = std::max(told, severity);
    const bool raised = group.log.firing.empty() || group.severity() > told;
    if (raised && routing_.raise_early) {
      group.early_turn = std::min(group.early_turn.value_or(WallTime::max()), now + wait);
    }
  } else if (!firing && group.news && !was_resolved && group.waited &&
             routing_.resolve_wait.value_or(base::Duration{0}).count() > 0) {
    Action action;
    action.group = &group;
    action.reason = Reason::ResolveWait;
    actions_.push_back(std::move(action));
  }
  index(group);
}

std::optional<WallTime> Pipeline::due(const Group& group) const {
  if (group.members.empty()) return std::nullopt;
  if (routing_.alertmanager) {
    if (frozen_.empty()) return group.next_turn;
    const auto frozen = frozen_.find(std::string(group.key));
    return frozen == frozen_.end() ? group.next_turn : frozen->second.ticked_at + peer_wait_;
  }
  const WallTime next = std::min(group.next_turn, group.early_turn.value_or(WallTime::max()));
  if (!group.waited) return next;
  if (group.mute.any()) return std::nullopt;                   // the end of the interval wakes it
  if (!group.visible && !group.news) return group.early_turn;  // so does the end of what hides
  if (group.firing()) return next;
  if (!routing_.resolve_wait) return group.next_turn;
  return *group.resolved_at + *routing_.resolve_wait;
}

void Pipeline::set_peer_wait(base::Duration wait) {
  if (wait == peer_wait_) return;
  peer_wait_ = wait;
  for (const auto& [key, frozen] : frozen_) index(*groups_.find(key));
}

/// Whatever changes a group ends here.
void Pipeline::index(Group& group) {
  if (indexed_.empty() || indexed_.back() != &group) indexed_.push_back(&group);
  const auto at = due(group);
  // There all groups are equal, and the severity of a large one costs a look at each member.
  const bool urgent = at && !routing_.alertmanager && group.severity() == model::Severity::Critical;
  if (at && group.turn && group.turn->at == *at && group.turn->urgent == urgent) return;
  if (group.turn) (group.turn->urgent ? urgent_turns_ : turns_).remove(group);
  if (at) (urgent ? urgent_turns_ : turns_).add(group, *at, urgent);
}

void Pipeline::take_turn(Group& group, WallTime now) {
  if (routing_.alertmanager) {
    take_tick(group, now);
    return;
  }
  Verdict verdict = group.mute.any() ? Verdict{false, group.mute.reason}
                                     : decide(group, timing(group).repeat_interval, now);
  // Just started: whether it still fires is not known yet.
  const bool grace = verdict.reason == Reason::Repeat && now < grace_until_;
  if (grace) verdict = {false, Reason::Unchanged};
  Action action;
  action.group = &group;
  if (grace) {
    action.text = "grace after the start until " + base::format_rfc3339(grace_until_);
  }
  action.send = verdict.send;
  action.reason = verdict.reason;
  NotifyLog::Firing told;
  for (const auto& [fingerprint, member] : group.members) {
    const auto before = group.log.firing.find(fingerprint);
    const bool known = before != group.log.firing.end();
    if (!member.resolved && !member.hidden)
      told.emplace_hint(told.end(), fingerprint, member.severity);
    if (member.resolved && !known && verdict.reason != Reason::NeverNotified) {
      asides_.push_back(
          {&group, fingerprint, Reason::NeverNotified, member.alert->alert.labels.to_string()});
    }
    // What was told and is hidden now must still be told to be over, one day.
    if (!member.resolved && member.hidden && known) told.emplace_hint(told.end(), *before);
    if (verdict.send && !member.resolved && !member.hidden) {
      action.firing.push_back(member.alert->as_told(member));
    } else if (verdict.send && member.resolved && known) {
      action.resolved.push_back(member.alert->as_told(member));
    } else if (!verdict.send && member.hidden == verdict.reason && action.text.empty()) {
      action.text = who_hides(member.alert->suppression());
    }
  }
  if (verdict.send) {
    action.text =
        fmt::format("{} firing, {} resolved", action.firing.size(), action.resolved.size());
    group.log.firing = std::move(told);
    group.log.at = now;
    group.forced.reset();
    mark_dirty(group);
    action.severity = group.severity();
  } else if (group.mute.any()) {
    action.text = base::join(group.mute.intervals, ", ");
  }
  if (!group.waited) mark_dirty(group);
  group.waited = true;
  group.early_turn.reset();
  group.next_turn = now + timing(group).group_interval;
  actions_.push_back(std::move(action));
  drop_resolved(group);
}

void Pipeline::take_tick(Group& group, WallTime now) {
  if (auto frozen = frozen_.extract(std::string(group.key))) {
    tell_all(group, frozen.mapped().batch, now);
    drop_resolved(group, &frozen.mapped().batch);
    return;
  }
  if (!group.waited) mark_dirty(group);
  group.waited = true;
  group.next_turn = now + timing(group).group_interval;
  Batch batch;
  Action cut;
  cut.group = &group;
  cut.reason = Reason::Unchanged;
  for (auto& [fingerprint, member] : group.members) {
    // Fresh, for the resolved ones too: what was muted when it resolved is not told of.
    const Suppression suppression = suppression_of(member.alert->alert);
    member.hidden = suppression.reason();
    if (!member.hidden) {
      (member.resolved ? batch.resolved : batch.firing).insert(fingerprint);
    } else if (cut.text.empty()) {
      cut.reason = *member.hidden;
      cut.text = who_hides(suppression);
    }
  }
  group.mute = mute_of(*group.its_route);
  const auto receiver = routing_.receivers.find(std::string(group.receiver));
  if (group.mute.any()) {
    cut.reason = group.mute.reason;
    cut.text = base::join(group.mute.intervals, ", ");
    actions_.push_back(std::move(cut));
  } else if (batch.firing.empty() && batch.resolved.empty()) {
    actions_.push_back(std::move(cut));
  } else if (receiver == routing_.receivers.end() || receiver->second.empty()) {
    cut.reason = Reason::NoChannel;
    actions_.push_back(std::move(cut));
  } else if (peer_wait_.count() > 0) {
    frozen_[std::string(group.key)] = {now, std::move(batch)};
    index(group);
    return;
  } else {
    tell_all(group, batch, now);
  }
  drop_resolved(group);
}

void Pipeline::tell_all(Group& group, const Batch& batch, WallTime now) {
  const auto receiver = routing_.receivers.find(std::string(group.receiver));
  if (receiver == routing_.receivers.end()) return;
  for (const Integration& integration : receiver->second) tell(group, integration, batch, now);
}

void Pipeline::tell(Group& group, const Integration& integration, const Batch& batch,
                    WallTime now) {
  const Route* of = route(group.route);
  const std::string key = notify_log_key(of ? of->path : std::string(group.route), group.labels,
                                         std::string(group.receiver), integration.channel);
  const base::Duration repeat = timing(group).repeat_interval;
  const Verdict verdict = decide_logged(logs_.find(key, now), batch, integration.send_resolved,
                                        repeat, now - kLoggedAfter);
  Action action;
  action.group = &group;
  action.integration = integration.channel;
  action.send = verdict.send;
  action.reason = verdict.reason;
  if (verdict.send) {
    logs_.put({key, batch.firing, batch.resolved, now,
               now + std::min(routing_.log_retention, 2 * repeat)});
    if (verdict.reason == Reason::AllResolved && !integration.send_resolved) {
      action.send = false;
      action.reason = Reason::NotWanted;
    }
  }
  if (action.send) {
    for (auto [fingerprint, member] : group.members) {  // as it was at the tick
      if (batch.firing.contains(fingerprint)) {
        member.resolved = false;
        action.firing.push_back(member.alert->as_told(member));
      } else if (batch.resolved.contains(fingerprint) && integration.send_resolved) {
        member.resolved = true;
        action.resolved.push_back(member.alert->as_told(member));
      }
    }
    action.text =
        fmt::format("{} firing, {} resolved", action.firing.size(), action.resolved.size());
    action.severity = group.severity();
  }
  actions_.push_back(std::move(action));
}

/// `told`, if not null: only what is resolved in it.
void Pipeline::drop_resolved(Group& group, const Batch* told) {
  const bool quiet = !routing_.alertmanager && group.mute.any();
  for (auto member = group.members.begin(); member != group.members.end();) {
    // Told to fire, and over while the route is quiet: told when it speaks again.
    const bool owed = quiet && group.log.firing.contains(member->first);
    const bool unheard = told && !told->resolved.contains(member->first);
    if (!member->second.resolved || owed || unheard) {
      ++member;
      continue;
    }
    AlertEntry& entry = alerts_.at(member->first);
    const auto of_group = [&group](const AlertEntry::Place& place) {
      return place.group == &group;
    };
    entry.places.erase(std::remove_if(entry.places.begin(), entry.places.end(), of_group),
                       entry.places.end());
    if (entry.places.empty()) forget(entry);
    member = group.members.erase(member);
    mark_dirty(group);
  }
  group.news = quiet && std::any_of(group.members.begin(), group.members.end(),
                                    [](const auto& each) { return each.second.resolved; });
  index(group);
  if (!group.members.empty()) return;
  frozen_.erase(std::string(group.key));
  forget(group);
}

Timing Pipeline::timing(const Group& group) const {
  const Route& its = *group.its_route;
  // There routes say all three, and the severity of a large group costs a look at each member.
  return its.timing_for(routing_.alertmanager ? model::Severity::Medium : group.severity());
}

}  // namespace tocsin::routing
