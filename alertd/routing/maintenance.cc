#include "alertd/routing/maintenance.h"

#include <fmt/format.h>

#include <algorithm>

namespace tocsin::routing {

using base::ErrorCode;
using base::Result;
using base::WallTime;
using std::chrono::days;

namespace {

constexpr std::size_t kMaintenancesMax = 10'000;
constexpr base::Duration kWindowMax = days(31);
constexpr base::Duration kKeptAfterEnd = days(7);
constexpr int kSearchDays = 366;

base::Error invalid(std::string message) {
  return base::error(ErrorCode::InvalidArgument, std::move(message));
}

/// Returns the window that starts on that day, if one does.
std::optional<Window> window_of_day(const Recurrence& recurrence, timezone::LocalTime day) {
  if (!contains_day(recurrence.days, calendar_day(day))) return std::nullopt;
  const WallTime start =
      recurrence.days.zone.to_wall(day + std::chrono::minutes(recurrence.start_minute));
  return Window{start, start + recurrence.duration};
}

std::optional<Window> cut(std::optional<Window> window, const Maintenance& maintenance) {
  const auto& ended = maintenance.ended_at;
  if (window && ended && *ended >= window->starts_at) {
    window->ends_at = std::min(window->ends_at, *ended);
  }
  return window;
}

}  // namespace

std::optional<Window> window_at(const Maintenance& maintenance, WallTime now) {
  const auto holds = [now](const std::optional<Window>& window) {
    return window && window->starts_at <= now && now < window->ends_at;
  };
  if (maintenance.once) {
    const auto window = cut(maintenance.once, maintenance);
    return holds(window) ? window : std::nullopt;
  }
  if (!maintenance.recurrence) return std::nullopt;
  const Recurrence& recurrence = *maintenance.recurrence;
  const timezone::Zone& zone = recurrence.days.zone;
  const timezone::LocalTime last = timezone::day_of(zone.to_local(now));
  timezone::LocalTime day = timezone::day_of(zone.to_local(now - recurrence.duration));
  for (; day <= last; day += days(1)) {
    const auto window = cut(window_of_day(recurrence, day), maintenance);
    if (holds(window)) return window;
  }
  return std::nullopt;
}

std::optional<Window> next_window(const Maintenance& maintenance, WallTime now) {
  if (maintenance.once) {
    const auto window = cut(maintenance.once, maintenance);
    const bool ahead = window->starts_at > now && window->starts_at < window->ends_at;
    return ahead ? window : std::nullopt;
  }
  if (!maintenance.recurrence) return std::nullopt;
  const timezone::LocalTime today =
      timezone::day_of(maintenance.recurrence->days.zone.to_local(now));
  for (int i = 0; i <= kSearchDays; ++i) {
    const auto window = window_of_day(*maintenance.recurrence, today + days(i));
    if (window && window->starts_at > now) return window;
  }
  return std::nullopt;
}

Result<void> check_maintenance(const Maintenance& maintenance) {
  if (maintenance.name.empty()) return invalid("a maintenance window needs a name");
  if (maintenance.name.size() > 200) return invalid("the name is longer than 200 bytes");
  if (maintenance.matcher_sets.empty()) return invalid("at least one matcher is required");
  for (const MatcherSet& set : maintenance.matcher_sets) {
    const bool narrows = std::any_of(set.begin(), set.end(), [](const model::Matcher& matcher) {
      return !matcher.matches_empty();
    });
    if (!narrows) return invalid("at least one matcher must not match the empty string");
  }
  if (maintenance.once.has_value() == maintenance.recurrence.has_value()) {
    return invalid("give either a start and an end, or a recurring time");
  }
  const base::Duration length = maintenance.once
                                    ? maintenance.once->ends_at - maintenance.once->starts_at
                                    : maintenance.recurrence->duration;
  if (length <= base::Duration{0}) return invalid("the window ends before it begins");
  if (length > kWindowMax) return invalid("a window of more than 31 days is not maintenance");
  return base::ok();
}

void Maintenances::configure(std::vector<Maintenance> configured, WallTime now) {
  std::map<std::string, WallTime> ended;
  const auto erased = std::erase_if(all_, [&ended](const auto& each) {
    if (each.second.configured && each.second.ended_at) ended[each.first] = *each.second.ended_at;
    return each.second.configured;
  });
  for (Maintenance& maintenance : configured) {
    maintenance.configured = true;
    if (const auto at = ended.find(maintenance.name); at != ended.end()) {
      maintenance.ended_at = at->second;
    }
    all_[maintenance.name] = std::move(maintenance);
  }
  if (erased > 0 || !configured.empty()) changed(now);
}

Result<void> Maintenances::set(Maintenance maintenance, WallTime now) {
  TC_TRY(check_maintenance(maintenance));
  const Maintenance* old = find(maintenance.name);
  if (old && old->configured) {
    return invalid(
        fmt::format("maintenance '{}' is written in the configuration", maintenance.name));
  }
  if (!old && all_.size() >= kMaintenancesMax) {
    return base::error(ErrorCode::LimitExceeded,
                       fmt::format("more than {} maintenance windows", kMaintenancesMax));
  }
  maintenance.updated_at = now;
  maintenance.configured = false;
  maintenance.ended_at.reset();
  dirty_.insert(maintenance.name);
  all_[maintenance.name] = std::move(maintenance);
  changed(now);
  return base::ok();
}

Result<void> Maintenances::end(const std::string& name, WallTime now) {
  const auto found = all_.find(name);
  if (found == all_.end()) {
    return base::error(ErrorCode::NotFound, fmt::format("there is no maintenance '{}'", name));
  }
  Maintenance& maintenance = found->second;
  if (maintenance.once && maintenance.once->starts_at > now) {
    maintenance.once->starts_at = maintenance.once->ends_at = now;
  } else if (window_at(maintenance, now)) {
    maintenance.ended_at = now;
  } else {
    return invalid(fmt::format("maintenance '{}' is not open", name));
  }
  maintenance.updated_at = now;
  dirty_.insert(name);
  changed(now);
  return base::ok();
}

void Maintenances::restore(std::vector<Maintenance> maintenances, WallTime now) {
  for (Maintenance& maintenance : maintenances) {
    const auto known = all_.find(maintenance.name);
    if (known != all_.end()) {  // configured: only that its window was ended is worth keeping
      if (known->second.configured) known->second.ended_at = maintenance.ended_at;
      continue;
    }
    if (maintenance.configured) {  // not any more
      dirty_.insert(maintenance.name);
      continue;
    }
    all_[maintenance.name] = std::move(maintenance);
  }
  for (const auto& [name, maintenance] : all_) {
    if (const auto window = window_at(maintenance, now)) open_[name] = *window;
  }
  if (!all_.empty()) changed(now);
}

Maintenances::Changes Maintenances::advance(WallTime now) {
  if (now >= advanced_at_ && (!next_ || now < *next_)) return {};
  Changes changes;
  changes.edited = std::exchange(edited_, false);
  std::map<std::string, Window> open;
  std::erase_if(all_, [&](const auto& each) {
    const auto& [name, maintenance] = each;
    const bool over = !maintenance.configured && maintenance.once &&
                      maintenance.once->ends_at + kKeptAfterEnd <= now;
    if (over) dirty_.insert(name);
    return over;
  });
  for (const auto& [name, maintenance] : all_) {
    const auto window = window_at(maintenance, now);
    if (!window) continue;
    open[name] = *window;
    if (!open_.contains(name)) changes.started.push_back(name);
  }
  for (const auto& [name, window] : open_) {
    if (!open.contains(name)) changes.ended.push_back(name);
  }
  open_ = std::move(open);
  index_.clear();
  next_.reset();
  const auto consider = [this](WallTime at) { next_ = std::min(next_.value_or(at), at); };
  for (const auto& [name, maintenance] : all_) {
    const auto window = open_.find(name);
    if (window != open_.end()) {
      index_.add(name, maintenance.matcher_sets);
      consider(window->second.ends_at);
    } else if (const auto coming = next_window(maintenance, now)) {
      consider(coming->starts_at);
    } else if (maintenance.once) {
      consider(std::max(maintenance.once->ends_at + kKeptAfterEnd, now + base::Duration{1}));
    } else {
      consider(now + days(kSearchDays));
    }
  }
  index_.build();
  advanced_at_ = now;
  return changes;
}

std::optional<WallTime> Maintenances::next_change() const {
  return next_;
}

void Maintenances::changed(WallTime now) {
  next_ = now;
  edited_ = true;
}

std::vector<std::string> Maintenances::matching(const AlertLabels& alert) const {
  std::vector<std::string> names;
  index_.find(alert, names);
  return names;
}

const Maintenance* Maintenances::find(const std::string& name) const {
  const auto found = all_.find(name);
  return found == all_.end() ? nullptr : &found->second;
}

std::optional<Window> Maintenances::open_window(const std::string& name) const {
  const auto found = open_.find(name);
  return found == open_.end() ? std::nullopt : std::optional(found->second);
}

std::set<std::string> Maintenances::take_dirty() {
  return std::exchange(dirty_, {});
}

}  // namespace tocsin::routing
