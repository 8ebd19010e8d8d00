#include "common/timezone/hours.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::timezone {

using base::ErrorCode;
using base::Result;
using base::WallTime;

namespace {

constexpr std::array<std::string_view, 7> kDays{"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

base::Error invalid(std::string message) {
  return base::error(ErrorCode::InvalidArgument, std::move(message));
}

std::optional<std::size_t> find_day(std::string_view text) {
  const auto found = std::find(kDays.begin(), kDays.end(), text);
  if (found == kDays.end()) return std::nullopt;
  return static_cast<std::size_t>(found - kDays.begin());
}

}  // namespace

bool Hours::covers(const Zone& zone, WallTime at) const {
  const LocalTime today = day_of(zone.to_local(at));
  // As instants, not as local times: the hour that comes twice must not open what has ended.
  for (int day = -1; day <= 1; ++day) {
    const LocalTime midnight = today + std::chrono::days(day);
    if (!weekdays[static_cast<std::size_t>(weekday_of(midnight))]) continue;
    const LocalTime end = midnight + to + std::chrono::days(from < to ? 0 : 1);
    if (zone.to_wall(midnight + from) <= at && at < zone.to_wall(end)) return true;
  }
  return false;
}

Result<Hours> parse_hours(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) {
    return invalid(
        fmt::format("'{}' are no hours; expected such as 09:00-17:30", text.substr(0, 64)));
  }
  Hours hours;
  TC_TRY(hours.from, parse_time_of_day(base::trim(text.substr(0, dash))));
  TC_TRY(hours.to, parse_time_of_day(base::trim(text.substr(dash + 1))));
  if (hours.from == hours.to || hours.from == std::chrono::hours(24)) {
    return invalid(fmt::format("hours '{}' have no length", text.substr(0, 64)));
  }
  return hours;
}

Result<std::array<bool, 7>> parse_weekdays(std::string_view text) {
  std::array<bool, 7> days{};
  for (const std::string_view part : base::split(text, ',')) {
    const std::string_view one = base::trim(part);
    const std::size_t dash = one.find('-');
    const auto first = find_day(one.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : find_day(one.substr(dash + 1));
    if (!first || !last) {
      return invalid(fmt::format(
          "'{}' are no days of the week; expected such as mon-fri or sat,sun", text.substr(0, 64)));
    }
    for (std::size_t day = *first;; day = (day + 1) % 7) {
      days[day] = true;
      if (day == *last) break;
    }
  }
  return days;
}

bool covers(const std::vector<Hours>& hours, const Zone& zone, WallTime at) {
  if (hours.empty()) return true;
  return std::any_of(hours.begin(), hours.end(),
                     [&](const Hours& each) { return each.covers(zone, at); });
}

std::optional<WallTime> next_edge(const std::vector<Hours>& hours, const Zone& zone, WallTime at) {
  std::optional<WallTime> next;
  if (hours.empty()) return next;
  const LocalTime today = day_of(zone.to_local(at));
  const auto consider = [&](LocalTime local) {
    const WallTime edge = zone.to_wall(local);
    if (edge > at) next = std::min(next.value_or(edge), edge);
  };
  for (const Hours& each : hours) {
    // A day more on both sides: clocks may be put forward or back.
    for (int day = -1; day <= 7; ++day) {
      const LocalTime midnight = today + std::chrono::days(day);
      const auto weekday = static_cast<std::size_t>(weekday_of(midnight));
      if (!each.weekdays[weekday]) continue;
      consider(midnight + each.from);
      consider(midnight + each.to + std::chrono::days(each.from < each.to ? 0 : 1));
    }
  }
  return next;
}

WallTime next_covered(const std::vector<Hours>& hours, const Zone& zone, WallTime at) {
  constexpr int kEdgesMax = 1000;  // far more than a week has
  for (int i = 0; i < kEdgesMax && !covers(hours, zone, at); ++i) {
    at = next_edge(hours, zone, at).value_or(at);
  }
  return at;
}

}  // namespace tocsin::timezone
