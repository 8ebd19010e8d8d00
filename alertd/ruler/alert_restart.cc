// What an alert's state does across restarts, reloads and steps of the clock.
//
// After a restart nothing is taken for granted: what the series say of an alert is kept aside and
// goes on only when its label set appears again (or, for a rule that minds silence, when it does
// not).

#include <algorithm>

#include "alertd/ruler/alert_state.h"

namespace tocsin::ruler {
namespace {

using base::WallTime;
using Holds = std::array<bool, 4>;

AlertEvent event(AlertChange change, const ActiveAlert& alert) {
  return {change, alert.labels, alert.value, alert.severity};
}

void shift_time(std::optional<WallTime>& time, base::Duration by) {
  if (time) *time += by;
}

}  // namespace

bool AlertState::adopt(ActiveAlert& alert, WallTime now, const Holds& holds) {
  if (remembered_.empty()) return false;
  const auto found = remembered_.find(key_of(alert.labels));
  if (found == remembered_.end()) return false;
  const Remembered& before = found->second;
  bool adopted = false;
  for (std::size_t i = 0; i < levels_.size(); ++i) {
    if (!before.since[i] || !holds[i]) continue;
    const base::Duration hold_for = levels_[i].hold_for;
    const bool fired = static_cast<int>(i) <= before.firing_level;
    if (!fired && hold_for < options_.restore_grace) continue;
    const base::Duration remaining = hold_for - (before.down_at - *before.since[i]);
    WallTime since = *before.since[i];
    if (!fired && remaining > base::Duration{0}) {
      since = remaining < options_.restore_grace ? now + options_.restore_grace - hold_for
                                                 : since + (now - before.down_at);
    }
    alert.levels[i].since = since;
    alert.active_at = std::min(alert.active_at, since);
    adopted = true;
  }
  if (before.firing_level >= 0) {
    const auto top = static_cast<std::size_t>(before.firing_level);
    auto& level = alert.levels[top];
    level.entered = true;
    if (!level.since) level.since = before.since[top].value_or(before.down_at);
    alert.top = before.firing_level;
    alert.phase = AlertPhase::Firing;
    alert.severity = levels_[top].severity;
    alert.active_at = std::min(alert.active_at, *level.since);
    alert.fired_at = std::min(alert.active_at + levels_[top].hold_for, before.down_at);
    adopted = true;
  }
  remembered_.erase(found);
  return adopted;
}

void AlertState::remember(std::map<model::Labels, Remembered> remembered,
                          std::vector<std::string> templated) {
  remembered_ = std::move(remembered);
  if (!templated.empty()) options_.templated = std::move(templated);
  restoring_ = true;
  restore_steps_left_ = 2;
  restore_began_.reset();
}

void AlertState::end_restore(WallTime now, Events& events) {
  restoring_ = false;
  for (auto& [key, before] : remembered_) {
    if (before.firing_level < 0) continue;
    const auto top = static_cast<std::size_t>(before.firing_level);
    // Nobody reports it any more: then the rule says whether that ends the alert.
    const bool silent = no_data_ != NoData::Ok && !has_input(before.labels);
    if (!silent && now - before.down_at >= levels_[top].keep_firing_for) continue;
    ActiveAlert alert;
    alert.labels = before.labels;
    alert.result_labels = model::LabelsBuilder(before.labels).remove(model::kAlertName).build();
    alert.phase = AlertPhase::Firing;
    alert.severity = levels_[top].severity;
    alert.top = before.firing_level;
    alert.active_at = before.since[top].value_or(before.down_at);
    alert.fired_at = std::min(alert.active_at + levels_[top].hold_for, before.down_at);
    alert.levels[top] = {alert.active_at, before.down_at, true};
    if (silent) {
      alert.levels[top].left.reset();
      alert.no_data_since = before.down_at;
    }
    const auto [it, added] = alerts_.emplace(before.labels, std::move(alert));
    if (added) events.push_back(event(AlertChange::Firing, it->second));
  }
  remembered_.clear();
}

void AlertState::shift(base::Duration by) {
  for (auto& [labels, alert] : alerts_) {
    alert.active_at += by;
    alert.last_seen += by;
    for (auto* time :
         {&alert.fired_at, &alert.resolved_at, &alert.no_data_since, &alert.last_sent_at}) {
      shift_time(*time, by);
    }
    for (auto& level : alert.levels) {
      shift_time(level.since, by);
      shift_time(level.left, by);
    }
  }
  shift_time(restore_began_, by);
  shift_time(last_look_, by);
  shift_time(quiet_until_, by);
  for (auto& [labels, seen] : seen_) seen.last += by;
  for (auto& [owner, until] : departed_) until += by;
  for (auto& [labels, before] : remembered_) {
    before.down_at += by;
    for (auto& since : before.since) shift_time(since, by);
  }
}

void AlertState::take_over(const AlertState& old) {
  if (levelled() != old.levelled()) return;
  alerts_ = old.alerts_;
  seen_ = no_data_ == NoData::Alert ? old.seen_ : std::map<model::Labels, Seen>{};
  remembered_ = old.remembered_;
  last_look_ = old.last_look_;
  quiet_until_ = old.quiet_until_;
  departed_ = old.departed_;
  restoring_ = old.restoring_;
  restore_steps_left_ = old.restore_steps_left_;
  restore_began_ = old.restore_began_;
  if (!levelled()) return;
  for (auto& [labels, alert] : alerts_) {
    if (alert.no_data_alert) continue;
    const auto before = alert.levels;
    const int top_before = alert.top;
    alert.levels = {};
    alert.top = top_before < 0 ? -1 : 0;
    for (std::size_t i = 0; i < levels_.size(); ++i) {
      for (std::size_t k = 0; k < old.levels_.size(); ++k) {
        if (old.levels_[k].severity == levels_[i].severity) alert.levels[i] = before[k];
      }
      if (top_before >= 0 && levels_[i].severity <= alert.severity) alert.top = static_cast<int>(i);
    }
    if (alert.top < 0) continue;
    auto& level = alert.levels[static_cast<std::size_t>(alert.top)];
    const bool held_by_clear = top_before == 0 && !before[0].entered;
    if (!level.since && !held_by_clear) level.since = alert.active_at;
    level.entered = level.entered || !held_by_clear;
    alert.severity = levels_[static_cast<std::size_t>(alert.top)].severity;
  }
}

std::optional<WallTime> AlertState::next_due() const {
  std::optional<WallTime> due;
  const auto consider = [&](WallTime at) {
    if (!due || at < *due) due = at;
  };
  for (const auto& [labels, alert] : alerts_) {
    // Where nothing is seen, no time passes.
    if (alert.phase == AlertPhase::Inactive || alert.no_data_since) continue;
    for (std::size_t i = 0; i < levels_.size(); ++i) {
      const auto& level = alert.levels[i];
      if (level.since && !level.entered) consider(*level.since + levels_[i].hold_for);
      if (level.entered && level.left) consider(*level.left + levels_[i].keep_firing_for);
    }
  }
  return due;
}

}  // namespace tocsin::ruler
