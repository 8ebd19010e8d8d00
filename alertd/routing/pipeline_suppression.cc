// What hides alerts: silences, inhibition, maintenance, quiet times; and what follows when that
// changes. In our mode whatever comes to light is decided at once; in Alertmanager's, at the
// group's next tick.
#include <fmt/format.h>

#include <algorithm>

#include "alertd/routing/pipeline.h"
#include "common/base/strings.h"

namespace tocsin::routing {

using base::ErrorCode;
using base::Result;
using base::WallTime;

namespace {

/// Beyond so many changed silences the index is faster than trying each.
constexpr std::size_t kOneByOne = 8;

bool shares(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::any_of(a.begin(), a.end(), [&b](const std::string& each) {
    return std::find(b.begin(), b.end(), each) != b.end();
  });
}

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

}  // namespace

Result<std::string> Pipeline::apply(const Edit& edit, WallTime now) {
  return std::visit(Overloaded{[&](const SetSilence& set) -> Result<std::string> {
                                 if (!set.force) TC_TRY(check_breadth(set));
                                 return silences_.set(set.silence, now);
                               },
                               [&](const ExpireSilence& expire) -> Result<std::string> {
                                 TC_TRY(silences_.expire(expire.id, now));
                                 return expire.id;
                               },
                               [&](const MergeSilences& peers) -> Result<std::string> {
                                 std::size_t taken = 0;
                                 for (const Silence& silence : peers.silences) {
                                   if (silences_.merge(silence, now)) ++taken;
                                 }
                                 return std::to_string(taken);
                               },
                               [&](const SetMaintenance& set) -> Result<std::string> {
                                 TC_TRY(maintenances_.set(set.maintenance, now));
                                 return set.maintenance.name;
                               },
                               [&](const EndMaintenance& end) -> Result<std::string> {
                                 TC_TRY(maintenances_.end(end.name, now));
                                 return end.name;
                               },
                               [&](const MergeNotifyLog& peers) -> Result<std::string> {
                                 std::size_t taken = 0;
                                 for (const LoggedNotification& entry : peers.entries) {
                                   if (logs_.merge(entry, now)) ++taken;
                                 }
                                 return std::to_string(taken);
                               }},
                    edit);
}

SilencePreview Pipeline::preview(const std::vector<MatcherSet>& sets) const {
  SilencePreview preview;
  Silence silence;
  silence.matcher_sets = sets;
  for (const auto& [fingerprint, entry] : alerts_) {
    if (entry.resolved) continue;
    ++preview.firing;
    if (!matches(silence, labels(entry.alert))) continue;
    ++preview.matched;
    preview.alerts.push_back(entry.alert.labels);
  }
  const std::size_t shown = std::min(preview.alerts.size(), SilencePreview::kShown);
  const auto middle = preview.alerts.begin() + static_cast<std::ptrdiff_t>(shown);
  std::partial_sort(preview.alerts.begin(), middle, preview.alerts.end());
  preview.alerts.resize(shown);
  const SilenceRules& rules = routing_.silences;
  preview.broad = preview.matched > rules.broad_count &&
                  static_cast<double>(preview.matched) >
                      rules.broad_share * static_cast<double>(preview.firing);
  return preview;
}

Result<void> Pipeline::check_breadth(const SetSilence& edit) const {
  if (routing_.silences.broad_share >= 1) return base::ok();
  const SilencePreview seen = preview(edit.silence.matcher_sets);
  if (!seen.broad) return base::ok();
  return base::error(
      ErrorCode::LimitExceeded,
      fmt::format("the silence would hide {} of {} firing alerts; confirm it with force",
                  seen.matched, seen.firing));
}

void Pipeline::advance_suppression(WallTime now, Touched& touched) {
  if (const auto changes = maintenances_.advance(now); !changes.empty()) {
    maintenance_changed(changes, now, touched);
  }
  if (const auto ids = silences_.advance(now); !ids.empty()) {
    silences_changed(ids, now, touched);
  }
  intervals_changed(now);
  calm_down(now, touched);
  logs_.expire(now);
}

void Pipeline::silences_changed(const std::vector<std::string>& ids, WallTime now,
                                Touched& touched) {
  plan_reminder();
  if (ids.size() > kOneByOne) {
    hide_all(now, touched);
    return;
  }
  std::vector<Fingerprint> concerned;
  for (const auto& [fingerprint, entry] : alerts_) {
    if (!entry.shown_firing()) continue;
    const bool named = shares(ids, entry.suppression().silenced_by);
    const bool meant =
        std::any_of(ids.begin(), ids.end(), [&, &alert = entry.alert](const auto& id) {
          const Silence* silence = silences_.find(id);
          return silence && silence->state(now) == SilenceState::Active &&
                 matches(*silence, labels(alert));
        });
    if (named || meant) concerned.push_back(fingerprint);
  }
  std::sort(concerned.begin(), concerned.end());
  for (const Fingerprint fingerprint : concerned) {
    AlertEntry& entry = alerts_.at(fingerprint);
    const Suppression before = entry.suppression();
    hide(entry, now, touched);
    // The same silence, but with another end.
    if (before.any() && before == entry.suppression()) say_who_hides(entry);
  }
}

void Pipeline::say_who_hides(const AlertEntry& entry) {
  for (const AlertEntry::Place& place : entry.places) {
    asides_.push_back({place.group, entry.fingerprint, *entry.suppression().reason(),
                       entry.alert.labels.to_string() + ": " + who_hides(entry.suppression())});
  }
}

void Pipeline::maintenance_changed(const Maintenances::Changes& changes, WallTime now,
                                   Touched& touched) {
  std::vector<Fingerprint> released;
  for (const auto& [fingerprint, entry] : alerts_) {
    if (entry.shown_firing() && shares(changes.ended, entry.suppression().maintained_by)) {
      released.push_back(fingerprint);
    }
  }
  hide_all(now, touched);
  std::sort(released.begin(), released.end());
  for (const Fingerprint fingerprint : released) {
    const AlertEntry& entry = alerts_.at(fingerprint);
    if (!entry.suppression().any()) force(entry, Reason::MaintenanceEnded, now);
  }
}

void Pipeline::intervals_changed(WallTime now) {
  bool changed = false;
  for (auto& [name, interval] : intervals_) {
    if (now < interval.next_change && now >= interval.seen_at) continue;
    const bool inside = contains(interval.interval, now);
    changed = changed || inside != interval.inside;
    interval.inside = inside;
    interval.seen_at = now;
    interval.next_change = next_change(interval.interval, now);
  }
  if (!changed) return;
  for (Group* group : groups_by_key()) {
    Mute mute = mute_of(*group->its_route);
    if (mute == group->mute) continue;
    const bool speaks_again = group->mute.any() && !mute.any();
    group->mute = std::move(mute);
    asides_.push_back({group, 0, {}, describe(group->mute)});
    if (group->mute.any()) asides_.back().reason = group->mute.reason;
    if (speaks_again && group->waited) group->early_turn = now;
    index(*group);
  }
}

Mute Pipeline::mute_of(const Route& route) const {
  const auto inside = [this](const std::string& name) {
    const auto found = intervals_.find(name);
    return found != intervals_.end() && found->second.inside;
  };
  Mute mute;
  const auto& active = route.active_time_intervals;
  if (!active.empty() && std::none_of(active.begin(), active.end(), inside)) {
    mute.reason = Reason::OutsideActiveTime;
    mute.intervals = active;
    return mute;
  }
  for (const std::string& name : route.mute_time_intervals) {
    if (inside(name)) mute.intervals.push_back(name);
  }
  return mute;
}

void Pipeline::calm_down(WallTime now, Touched& touched) {
  for (const Fingerprint fingerprint : flapping_.advance(now)) {
    const auto found = alerts_.find(fingerprint);
    if (found == alerts_.end()) continue;
    found->second.changed_at = WallTime{};
    if (!found->second.resolved) continue;
    for (const auto& [group, member] : found->second.places) {
      if (!member->held) continue;
      member->held = false;
      member->resolved = true;
      member->since = now;
      mark_dirty(*group);
      touched.add(*group);
    }
  }
}

void Pipeline::force(const AlertEntry& entry, Reason reason, WallTime now) {
  for (const AlertEntry::Place& place : entry.places) speak_again(*place.group, reason, now);
}

Suppression Pipeline::suppression_of(const model::Alert& alert) const {
  Suppression suppression;
  const AlertLabels seen = labels(alert);
  suppression.silenced_by = silences_.matching(seen);
  if (!inhibition_.empty()) suppression.inhibited_by = inhibition_.inhibitors(seen);
  suppression.maintained_by = maintenances_.matching(seen);
  return suppression;
}

void Pipeline::hide(std::span<const Fingerprint> alerts, WallTime now, Touched& touched) {
  for (const Fingerprint fingerprint : alerts) {
    if (const auto found = alerts_.find(fingerprint); found != alerts_.end()) {
      hide(found->second, now, touched);
    }
  }
}

void Pipeline::hide(AlertEntry& entry, WallTime now, Touched& touched) {
  Suppression suppression = suppression_of(entry.alert);
  if (suppression == entry.suppression()) return;
  const bool comes_to_light = entry.suppression().any() && !suppression.any();
  entry.hidden_by =
      suppression.any() ? std::make_unique<const Suppression>(std::move(suppression)) : nullptr;
  if (!entry.resolved) {
    for (const std::string& id : entry.suppression().silenced_by) silences_.mark_hidden(id);
  }
  const auto reason = entry.suppression().reason();
  if (comes_to_light && !entry.resolved) {
    for (const AlertEntry::Place& place : entry.places) {
      asides_.push_back({place.group, entry.fingerprint, {}, entry.alert.labels.to_string()});
    }
  }
  bool said = false;
  for (const auto& [group, member] : entry.places) {
    const bool news = reason && member->hidden != reason && !member->resolved;
    said = said || news;
    member->hidden = reason;
    touched.add(*group);
    if (comes_to_light && group->waited && !member->resolved && !routing_.alertmanager) {
      group->early_turn = now;
    }
    if (!news) continue;
    Action action;
    action.group = group;
    action.alert = entry.fingerprint;
    action.reason = *reason;
    action.labels = entry.alert.labels;
    action.text = who_hides(entry.suppression());
    actions_.push_back(std::move(action));
  }
  // The same kind of reason, but another silence.
  if (reason && !said && !entry.resolved) say_who_hides(entry);
}

void Pipeline::hide_all(WallTime now, Touched& touched) {
  std::vector<Fingerprint> firing;
  for (const auto& [fingerprint, entry] : alerts_) {
    if (entry.shown_firing()) firing.push_back(fingerprint);
  }
  std::sort(firing.begin(), firing.end());
  hide(firing, now, touched);
}

void Pipeline::inhibit(const AlertEntry& entry, WallTime now, Touched& touched) {
  if (inhibition_.empty()) return;
  for (const Fingerprint other : inhibition_.fires(entry.fingerprint, labels(entry.alert))) {
    if (other != entry.fingerprint) hide({&other, 1}, now, touched);
  }
}

void Pipeline::unhide_others(const AlertEntry& entry, WallTime now, Touched& touched) {
  if (inhibition_.empty()) return;
  for (const Fingerprint other : inhibition_.ends(entry.fingerprint)) {
    hide({&other, 1}, now, touched);
  }
}

void Pipeline::end_silences_of_resolved(WallTime now, Touched& touched) {
  std::vector<std::string> over;
  for (const auto& [id, silence] : silences_.all()) {
    if (!silence.until_resolved || !silence.has_hidden) continue;
    if (silence.state(now) != SilenceState::Active) continue;
    const bool needed = std::any_of(alerts_.begin(), alerts_.end(), [&](const auto& each) {
      return !each.second.resolved && matches(silence, labels(each.second.alert));
    });
    if (!needed) over.push_back(id);
  }
  for (const std::string& id : over) {
    if (!silences_.expire(id, now)) continue;
    Action action;
    action.silence = id;
    action.reason = Reason::AllResolved;
    action.text = "all that it hid is resolved: the silence has ended";
    actions_.push_back(std::move(action));
  }
  if (!over.empty()) silences_changed(silences_.advance(now), now, touched);
}

base::Duration Pipeline::remind_before(const Silence& silence) const {
  return silence.remind_before.value_or(routing_.alertmanager ? base::Duration{0}
                                                              : routing_.silences.remind_before);
}

void Pipeline::plan_reminder() {
  next_reminder_.reset();
  for (const auto& [id, silence] : silences_.all()) {
    const base::Duration before = remind_before(silence);
    if (silence.reminded || before.count() == 0) continue;
    if (silence.state(last_now_) != SilenceState::Active) continue;
    // A silence shorter than the notice is no surprise when it ends.
    if (silence.ends_at - silence.starts_at <= before) continue;
    const WallTime at = silence.ends_at - before;
    next_reminder_ = std::min(next_reminder_.value_or(at), at);
  }
}

void Pipeline::remind_of_silences(WallTime now) {
  if (!next_reminder_ || now < *next_reminder_) return;
  std::vector<std::string> due;
  for (const auto& [id, silence] : silences_.all()) {
    const base::Duration before = remind_before(silence);
    if (!silence.reminded && before.count() > 0 && silence.state(now) == SilenceState::Active &&
        silence.ends_at - silence.starts_at > before && silence.ends_at - before <= now) {
      due.push_back(id);
    }
  }
  for (const std::string& id : due) {
    silences_.mark_reminded(id);
    const auto hidden = std::count_if(alerts_.begin(), alerts_.end(), [&id](const auto& each) {
      const auto& by = each.second.suppression().silenced_by;
      return !each.second.resolved && std::find(by.begin(), by.end(), id) != by.end();
    });
    if (hidden == 0) continue;
    Action action;
    action.silence = id;
    action.reason = Reason::SilenceEnding;
    action.text = fmt::format("{} hides {} firing alerts and ends at {}",
                              describe_silence(*silences_.find(id)), hidden,
                              base::format_rfc3339(silences_.find(id)->ends_at));
    actions_.push_back(std::move(action));
  }
  plan_reminder();
}

std::string Pipeline::who_hides(const Suppression& suppression) const {
  std::vector<std::string> parts;
  for (const Fingerprint source : suppression.inhibited_by) {
    const AlertEntry* entry = find_alert(source);
    parts.push_back("inhibited by " +
                    (entry ? entry->alert.labels.to_string() : fmt::format("{:016x}", source)));
  }
  for (const std::string& id : suppression.silenced_by) {
    const Silence* silence = silences_.find(id);
    if (!silence) continue;
    parts.push_back(fmt::format("{} until {}", describe_silence(*silence),
                                base::format_rfc3339(silence->ends_at)));
  }
  for (const std::string& name : suppression.maintained_by) {
    const auto window = maintenances_.open_window(name);
    parts.push_back(fmt::format("maintenance '{}' until {}", name,
                                window ? base::format_rfc3339(window->ends_at) : "its end"));
  }
  return base::join(parts, "; ");
}

}  // namespace tocsin::routing
