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
                                                       std::span<const Observation> result,
                                                       const std::vector<InputElement>* input) {
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
  present_ = present_keys(now, result, input);
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
  for (const Observation* observation : sorted) observe(now, *observation, events);
  if (no_data_ == NoData::Alert && look_due(now) && present_) {
    last_look_ = now;
    unwatched_ = 0;
    if (levelled()) {
      for (const Observation* observation : sorted) {
        note_input(now, key_of(observation->labels),
                   options_.templated.empty() ? model::Labels() : observation->labels);
      }
    } else {
      for (const InputElement& element : *input) note_input(now, element.key, element.identity);
    }
    watch_no_data(now, events);
  } else if (no_data_ == NoData::Alert) {
    watch_returned(now, sorted, events);
  }
  if (restoring_) {
    if (!restore_began_) restore_began_ = now;
    restore_steps_left_ = std::max(restore_steps_left_ - 1, 0);
    const bool window_over = now - *restore_began_ >= options_.restore_window;
    if (restore_steps_left_ == 0 && window_over) end_restore(now, events);
  }

  const std::size_t active = count_active();
  if (options_.limit > 0 && active > options_.limit) {
    alerts_.clear();
    seen_.clear();
    present_.reset();
    return base::error(base::ErrorCode::LimitExceeded,
                       "the rule has " + std::to_string(active) + " alerts, limit " +
                           std::to_string(options_.limit) + ": all of them are dropped");
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const auto& a, const auto& b) { return a.labels < b.labels; });
  present_.reset();
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
  if (no_data_ != NoData::Ok && !has_input(alert.labels)) {
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
  alert.no_data_since.reset();
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

}  // namespace tocsin::ruler
