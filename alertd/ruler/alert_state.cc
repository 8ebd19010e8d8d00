#include "alertd/ruler/alert_state.h"

#include <algorithm>

#include "common/base/check.h"
#include "common/base/strings.h"

namespace tocsin::ruler {
namespace {

using base::WallTime;
using Holds = std::array<bool, 4>;

AlertEvent event(AlertChange change, const ActiveAlert& alert) {
  return {change, alert.labels, alert.value, alert.severity};
}

bool any(const Holds& holds) {
  return std::any_of(holds.begin(), holds.end(), [](bool held) { return held; });
}

int highest_entered(const ActiveAlert& alert) {
  for (int i = 3; i >= 0; --i) {
    if (alert.levels[static_cast<std::size_t>(i)].entered) return i;
  }
  return -1;
}

void shift_time(std::optional<WallTime>& time, base::Duration by) {
  if (time) *time += by;
}

}  // namespace

std::string_view to_string(AlertPhase phase) {
  switch (phase) {
    case AlertPhase::Inactive:
      return "inactive";
    case AlertPhase::Pending:
      return "pending";
    case AlertPhase::Firing:
      return "firing";
  }
  return "inactive";
}

std::string_view to_string(AlertChange change) {
  switch (change) {
    case AlertChange::Pending:
      return "pending";
    case AlertChange::Firing:
      return "firing";
    case AlertChange::Raised:
      return "raised";
    case AlertChange::Lowered:
      return "lowered";
    case AlertChange::BackToPending:
      return "back_to_pending";
    case AlertChange::Resolved:
      return "resolved";
    case AlertChange::Dropped:
      return "dropped";
  }
  return "dropped";
}

AlertState::AlertState(std::vector<Level> levels, std::optional<Bound> clear, NoData no_data,
                       const AlertStateOptions& options)
    : levels_(std::move(levels)), clear_(clear), no_data_(no_data), options_(options) {
  TC_CHECK(!levels_.empty() && levels_.size() <= 4, "an alert has one to four levels");
}

base::Result<std::vector<AlertEvent>> AlertState::step(WallTime now,
                                                       std::span<const Observation> result) {
  std::vector<const Observation*> sorted;
  sorted.reserve(result.size());
  for (const Observation& observation : result) sorted.push_back(&observation);
  std::sort(sorted.begin(), sorted.end(),
            [](const auto* a, const auto* b) { return a->labels < b->labels; });
  const auto twin = std::adjacent_find(sorted.begin(), sorted.end(),
                                       [](auto* a, auto* b) { return a->labels == b->labels; });
  if (twin != sorted.end()) {
    return base::error(base::ErrorCode::InvalidArgument,
                       "two elements of the result have the same labels " +
                           (*twin)->labels.to_string() + " once the rule's labels are applied");
  }

  Events events;
  auto next = sorted.begin();
  for (auto it = alerts_.begin(); it != alerts_.end();) {
    ActiveAlert& alert = it->second;
    while (next != sorted.end() && (*next)->labels < alert.labels) ++next;
    const bool here = next != sorted.end() && (*next)->labels == alert.labels;
    const bool gone = !here && !alert.no_data_alert && missing(alert, now, events);
    const bool old = alert.phase == AlertPhase::Inactive && alert.resolved_at &&
                     now - *alert.resolved_at > options_.resolved_keep;
    it = gone || old ? alerts_.erase(it) : std::next(it);
  }
  for (const Observation* observation : sorted) {
    observe(now, *observation, events);
    if (no_data_ == NoData::Alert) {
      Seen& seen = seen_[observation->labels];
      seen.last = now;
      seen.result_labels = observation->result_labels;
      seen.value = observation->value;
    }
  }
  if (no_data_ == NoData::Alert) watch_no_data(now, events);
  if (restoring_) {
    if (!restore_began_) restore_began_ = now;
    restore_steps_left_ = std::max(restore_steps_left_ - 1, 0);
    const bool window_over = now - *restore_began_ >= options_.restore_window;
    if (restore_steps_left_ == 0 && window_over) end_restore(now, events);
  }

  const auto active =
      static_cast<std::size_t>(std::count_if(alerts_.begin(), alerts_.end(), [](const auto& entry) {
        return entry.second.phase != AlertPhase::Inactive;
      }));
  if (options_.limit > 0 && active > options_.limit) {
    alerts_.clear();
    seen_.clear();
    return base::error(base::ErrorCode::LimitExceeded,
                       "the rule has " + std::to_string(active) + " alerts, limit " +
                           std::to_string(options_.limit) + ": all of them are dropped");
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const auto& a, const auto& b) { return a.labels < b.labels; });
  return events;
}

bool AlertState::beyond(double value) const {
  return std::any_of(levels_.begin(), levels_.end(), [value](const Level& level) {
    return !level.bound || level.bound->holds(value);
  });
}

void AlertState::observe(WallTime now, const Observation& observation, Events& events) {
  Holds holds{};
  for (std::size_t i = 0; i < levels_.size(); ++i) {
    holds[i] = !levels_[i].bound || levels_[i].bound->holds(observation.value);
  }
  auto it = alerts_.find(observation.labels);
  if (it == alerts_.end() || it->second.phase == AlertPhase::Inactive) {
    ActiveAlert fresh;
    fresh.labels = observation.labels;
    fresh.active_at = now;
    const bool adopted = adopt(fresh, now, holds);
    if (!adopted && !any(holds)) return;
    it = alerts_.insert_or_assign(observation.labels, std::move(fresh)).first;
  }
  ActiveAlert& alert = it->second;
  alert.result_labels = observation.result_labels;
  alert.value = observation.value;
  alert.last_seen = now;
  if (!levelled()) alert.severity = observation.severity;
  if (alert.no_data_since) {
    // Only time in which the value was seen counts towards `for`.
    if (alert.phase == AlertPhase::Pending) {
      const base::Duration gap = now - *alert.no_data_since;
      alert.active_at += gap;
      for (auto& level : alert.levels) shift_time(level.since, gap);
    }
    alert.no_data_since.reset();
  }
  advance(alert, now, holds, events);
  if (alert.phase == AlertPhase::Pending && !any(holds)) {
    events.push_back(event(AlertChange::Dropped, alert));
    alerts_.erase(it);
  }
}

bool AlertState::adopt(ActiveAlert& alert, WallTime now, const Holds& holds) {
  if (remembered_.empty()) return false;
  const auto found = remembered_.find(memory_key(alert.labels));
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

void AlertState::update_levels(ActiveAlert& alert, WallTime now, const Holds& holds) const {
  for (std::size_t i = 0; i < levels_.size(); ++i) {
    auto& level = alert.levels[i];
    if (holds[i]) {
      level.left.reset();
      if (!level.since) level.since = now;
      const bool falls_here = static_cast<int>(i) < alert.top;
      if (falls_here || now - *level.since >= levels_[i].hold_for) level.entered = true;
    } else if (level.entered) {
      if (!level.left) level.left = now;
      if (now - *level.left >= levels_[i].keep_firing_for) level = {};
    } else {
      level = {};
    }
  }
}

void AlertState::advance(ActiveAlert& alert, WallTime now, const Holds& holds, Events& events) {
  const int before = alert.top;
  const bool is_new = alert.phase == AlertPhase::Pending && !alert.levels[0].since &&
                      !alert.levels[1].since && !alert.levels[2].since && !alert.levels[3].since;
  update_levels(alert, now, holds);
  auto& first = alert.levels[0];
  if (!levelled() && before == 0 && holds[0] && now - *first.since < levels_[0].hold_for) {
    // The `for` was raised by a reload: this alert would not have fired yet.
    first.entered = false;
    alert.top = -1;
    alert.phase = AlertPhase::Pending;
    alert.fired_at.reset();
    alert.last_sent_at.reset();
    events.push_back(event(AlertChange::BackToPending, alert));
    return;
  }
  int top = highest_entered(alert);
  if (top < 0 && before >= 0 && clear_ && !clear_->holds(alert.value)) top = 0;
  alert.top = top;
  if (top < 0) {
    if (before >= 0) {
      resolve(alert, now, events);
    } else if (is_new && any(holds)) {
      alert.severity = levelled() ? levels_[0].severity : alert.severity;
      events.push_back(event(AlertChange::Pending, alert));
    }
    return;
  }
  if (levelled()) alert.severity = levels_[static_cast<std::size_t>(top)].severity;
  if (before < 0) {
    alert.phase = AlertPhase::Firing;
    alert.fired_at = now;
    events.push_back(event(AlertChange::Firing, alert));
  } else if (top != before) {
    events.push_back(event(top > before ? AlertChange::Raised : AlertChange::Lowered, alert));
  }
}

bool AlertState::missing(ActiveAlert& alert, WallTime now, Events& events) {
  if (alert.phase == AlertPhase::Inactive) return false;
  const bool pending = alert.phase == AlertPhase::Pending;
  if (no_data_ != NoData::Ok) {
    if (!alert.no_data_since) alert.no_data_since = now;
    const base::Duration gone = now - *alert.no_data_since;
    const bool watched = no_data_ == NoData::Alert && gone >= options_.no_data_after;
    if (pending && (watched || gone >= options_.no_data_forget)) {
      events.push_back(event(AlertChange::Dropped, alert));
      return true;
    }
    if (!pending && gone >= options_.no_data_forget) resolve(alert, now, events);
    return false;
  }
  if (pending) {
    events.push_back(event(AlertChange::Dropped, alert));
    return true;
  }
  const int before = alert.top;
  update_levels(alert, now, {});
  alert.top = highest_entered(alert);
  if (alert.top < 0) {
    resolve(alert, now, events);
  } else if (alert.top != before && levelled()) {
    alert.severity = levels_[static_cast<std::size_t>(alert.top)].severity;
    events.push_back(event(AlertChange::Lowered, alert));
  }
  return false;
}

void AlertState::resolve(ActiveAlert& alert, WallTime now, Events& events) const {
  alert.phase = AlertPhase::Inactive;
  alert.resolved_at = now;
  alert.top = -1;
  alert.levels = {};
  events.push_back(event(AlertChange::Resolved, alert));
}

void AlertState::watch_no_data(WallTime now, Events& events) {
  for (auto it = seen_.begin(); it != seen_.end();) {
    Seen& seen = it->second;
    const base::Duration gone = now - seen.last;
    bool wanted = gone >= options_.no_data_after && gone < options_.no_data_forget;
    if (wanted) {
      const auto main = alerts_.find(it->first);
      wanted = main == alerts_.end() || main->second.phase == AlertPhase::Inactive;
    }
    if (wanted != seen.raised) {
      const model::Labels labels =
          model::LabelsBuilder(it->first).set(kNoDataLabel, "true").build();
      if (wanted) {
        raise_no_data(labels, seen, now, events);
      } else if (const auto variant = alerts_.find(labels);
                 variant != alerts_.end() && variant->second.phase == AlertPhase::Firing) {
        resolve(variant->second, now, events);
      }
      seen.raised = wanted;
    }
    it = gone >= options_.no_data_forget ? seen_.erase(it) : std::next(it);
  }
}

void AlertState::raise_no_data(const model::Labels& labels, const Seen& seen, WallTime now,
                               Events& events) {
  ActiveAlert alert;
  alert.labels = labels;
  alert.result_labels = seen.result_labels;
  alert.value = seen.value;
  alert.no_data_alert = true;
  alert.phase = AlertPhase::Firing;
  // Not knowing is bad, but it is not proof of the worst.
  alert.severity = std::min(levels_.back().severity, model::Severity::High);
  alert.active_at = seen.last;
  alert.fired_at = now;
  alert.no_data_since = seen.last;
  events.push_back(event(AlertChange::Firing, alert));
  alerts_.insert_or_assign(labels, std::move(alert));
}

void AlertState::remember(std::map<model::Labels, Remembered> remembered,
                          std::vector<std::string> templated) {
  remembered_ = std::move(remembered);
  templated_ = std::move(templated);
  restoring_ = true;
  restore_steps_left_ = 2;
  restore_began_.reset();
}

void AlertState::end_restore(WallTime now, Events& events) {
  restoring_ = false;
  for (auto& [key, before] : remembered_) {
    if (before.firing_level < 0) continue;
    const auto top = static_cast<std::size_t>(before.firing_level);
    if (now - before.down_at >= levels_[top].keep_firing_for) continue;
    ActiveAlert alert;
    alert.labels = before.labels;
    alert.result_labels = model::LabelsBuilder(before.labels).remove(model::kAlertName).build();
    alert.phase = AlertPhase::Firing;
    alert.severity = levels_[top].severity;
    alert.top = before.firing_level;
    alert.active_at = before.since[top].value_or(before.down_at);
    alert.fired_at = std::min(alert.active_at + levels_[top].hold_for, before.down_at);
    alert.levels[top] = {alert.active_at, before.down_at, true};
    const auto [it, added] = alerts_.emplace(before.labels, std::move(alert));
    if (added) events.push_back(event(AlertChange::Firing, it->second));
  }
  remembered_.clear();
}

model::Labels AlertState::memory_key(const model::Labels& labels) const {
  if (templated_.empty()) return labels;
  model::LabelsBuilder builder(labels);
  for (const std::string& name : templated_) builder.remove(name);
  return builder.build();
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
  for (auto& [labels, seen] : seen_) seen.last += by;
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
  templated_ = old.templated_;
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

}  // namespace tocsin::ruler
