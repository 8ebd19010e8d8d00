#include "alertd/bulletin/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "common/base/strings.h"

namespace tocsin::bulletin {
namespace {

constexpr base::Duration kOneDay = std::chrono::hours(24);
constexpr std::array<std::string_view, 7> kWeekdays{"mon", "tue", "wed", "thu",
                                                    "fri", "sat", "sun"};

base::Error unknown(std::string_view text) {
  return base::error(base::ErrorCode::InvalidArgument,
                     fmt::format("'{}' is no schedule: expected \"daily 07:30\", \"weekly mon "
                                 "08:00\" or \"monthly 1 06:00\"",
                                 base::escape_control(text.substr(0, 100))));
}

timezone::LocalTime day_in_month(timezone::LocalTime local, int day) {
  const std::chrono::year_month_day date{std::chrono::floor<std::chrono::days>(local)};
  const std::chrono::year_month_day_last last{date.year(),
                                              std::chrono::month_day_last{date.month()}};
  const auto wanted = std::min(std::chrono::day(static_cast<unsigned>(day)), last.day());
  return std::chrono::local_days{date.year() / date.month() / wanted};
}

}  // namespace

base::Result<Schedule> Schedule::parse(std::string_view text) {
  const auto fields = base::split_fields(text);
  Schedule schedule;
  if (fields.empty()) return unknown(text);
  if (fields[0] == "weekly" && fields.size() == 3) {
    const auto found = std::find(kWeekdays.begin(), kWeekdays.end(), fields[1]);
    if (found == kWeekdays.end()) return unknown(text);
    schedule.every_ = Every::Week;
    schedule.day_ = static_cast<int>(found - kWeekdays.begin());
  } else if (fields[0] == "monthly" && fields.size() == 3) {
    const auto day = base::parse_u64(fields[1]);
    if (!day || *day < 1 || *day > 31) return unknown(text);
    schedule.every_ = Every::Month;
    schedule.day_ = static_cast<int>(*day);
  } else if (fields[0] != "daily" || fields.size() != 2) {
    return unknown(text);
  }
  const auto time = timezone::parse_time_of_day(fields.back());
  if (!time || *time >= kOneDay) return unknown(text);
  schedule.time_ = *time;
  return schedule;
}

base::WallTime Schedule::due_in(timezone::LocalTime day, const timezone::Zone& zone) const {
  timezone::LocalTime due = timezone::day_of(day);
  if (every_ == Every::Week) due += (day_ - timezone::weekday_of(day)) * kOneDay;
  if (every_ == Every::Month) due = day_in_month(day, day_);
  return zone.to_wall(due + time_);
}

base::WallTime Schedule::last_due(base::WallTime at, const timezone::Zone& zone) const {
  const timezone::LocalTime today = zone.to_local(at);
  const base::WallTime due = due_in(today, zone);
  if (due <= at) return due;
  switch (every_) {
    case Every::Day:
      return due_in(timezone::day_of(today) - kOneDay, zone);
    case Every::Week:
      return due_in(timezone::day_of(today) - 7 * kOneDay, zone);
    case Every::Month:
      break;
  }
  return due_in(day_in_month(today, 1) - kOneDay, zone);
}

base::Duration Schedule::interval() const {
  switch (every_) {
    case Every::Day:
      return kOneDay;
    case Every::Week:
      return 7 * kOneDay;
    case Every::Month:
      break;
  }
  return 31 * kOneDay;
}

}  // namespace tocsin::bulletin
