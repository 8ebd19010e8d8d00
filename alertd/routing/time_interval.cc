#include "alertd/routing/time_interval.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "common/base/strings.h"

namespace tocsin::routing {

using base::Result;
using base::WallTime;
using std::chrono::days;

namespace {

constexpr std::array<std::string_view, 7> kWeekdays{"sunday",   "monday", "tuesday", "wednesday",
                                                    "thursday", "friday", "saturday"};
constexpr std::array<std::string_view, 12> kMonths{"january",   "february", "march",    "april",
                                                   "may",       "june",     "july",     "august",
                                                   "september", "october",  "november", "december"};
constexpr int kMinutesOfDay = 24 * 60;
constexpr int kSearchDays = 371;

base::Error invalid(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

bool in_some(const std::vector<Range>& ranges, int value) {
  return std::any_of(ranges.begin(), ranges.end(), [value](const Range& range) {
    return range.begin <= value && value <= range.end;
  });
}

/// Negative days count from the month's end; what is beyond a short month is cut, and a range that
/// begins beyond it does not exist in it.
bool in_month(const std::vector<Range>& ranges, const CalendarDay& today) {
  const int day = static_cast<int>(static_cast<unsigned>(today.date.day()));
  const int last = today.days_in_month;
  return std::any_of(ranges.begin(), ranges.end(), [&](const Range& range) {
    const int begin = range.begin < 0 ? last + range.begin + 1 : range.begin;
    const int end = range.end < 0 ? last + range.end + 1 : range.end;
    return begin <= last && std::max(begin, 1) <= day && day <= std::min(end, last);
  });
}

/// Adds the moments at which the period may begin or end on that day of its zone.
void add_boundaries(const TimePeriod& period, timezone::LocalTime day, std::set<WallTime>& out) {
  std::set<int> minutes{0};
  for (const Range& times : period.times) minutes.insert({times.begin, times.end});
  for (const int minute : minutes) {
    const timezone::LocalTime local = day + std::chrono::minutes(minute);
    out.insert(period.zone.to_wall(local));
    if (const auto second = period.zone.second_to_wall(local)) out.insert(*second);
  }
  if (const auto jump = period.zone.next_jump(period.zone.to_wall(day), days(1))) {
    out.insert(*jump);
  }
}

std::optional<int> parse_word(RangeOf of, const std::string& word) {
  const auto index = [&word](const auto& names) -> std::optional<int> {
    const auto found = std::find(names.begin(), names.end(), word);
    return found == names.end() ? std::nullopt
                                : std::optional(static_cast<int>(found - names.begin()));
  };
  if (of == RangeOf::Weekdays) return index(kWeekdays);
  if (of == RangeOf::Months) {
    if (const auto month = index(kMonths)) return *month + 1;
  }
  const auto number = base::parse_i64(word);
  if (!number || *number < -9999 || *number > 9999) return std::nullopt;
  const int value = static_cast<int>(*number);
  if (of == RangeOf::Months && (value < 1 || value > 12)) return std::nullopt;
  if (of == RangeOf::Years && value < 1) return std::nullopt;
  return value;
}

std::string_view noun(RangeOf of) {
  switch (of) {
    case RangeOf::Weekdays:
      return "weekday";
    case RangeOf::DaysOfMonth:
      return "day of the month";
    case RangeOf::Months:
      return "month";
    case RangeOf::Years:
      return "year";
  }
  return "";
}

Result<void> check_days(const Range& range) {
  for (const int day : {range.begin, range.end}) {
    if (day == 0 || day < -31 || day > 31) {
      return invalid(fmt::format("{} is not a valid day of the month: out of range", day));
    }
  }
  if (range.begin < 0 && range.end > 0) {
    return invalid("end day must be negative if start day is negative");
  }
  // Compared in the longest month: a range that is empty there is empty in each.
  const int end = range.begin > 0 && range.end < 0 ? 31 + range.end + 1 : range.end;
  if (end < range.begin) {
    return invalid(fmt::format("end day {} is always before start day {}", range.end, range.begin));
  }
  return base::ok();
}

}  // namespace

CalendarDay calendar_day(timezone::LocalTime local) {
  const auto day = std::chrono::floor<days>(local);
  CalendarDay result;
  result.date = std::chrono::year_month_day(day);
  result.weekday = static_cast<int>(std::chrono::weekday(day).c_encoding());
  const std::chrono::year_month_day_last last =
      result.date.year() / result.date.month() / std::chrono::last;
  result.days_in_month = static_cast<int>(static_cast<unsigned>(last.day()));
  return result;
}

bool contains_day(const TimePeriod& period, const CalendarDay& day) {
  const auto month = static_cast<int>(static_cast<unsigned>(day.date.month()));
  const auto year = static_cast<int>(day.date.year());
  return (period.days_of_month.empty() || in_month(period.days_of_month, day)) &&
         (period.months.empty() || in_some(period.months, month)) &&
         (period.weekdays.empty() || in_some(period.weekdays, day.weekday)) &&
         (period.years.empty() || in_some(period.years, year));
}

bool contains(const TimePeriod& period, WallTime time) {
  const timezone::LocalTime local = period.zone.to_local(time);
  const auto minute = static_cast<int>(
      std::chrono::floor<std::chrono::minutes>(local - timezone::day_of(local)).count());
  const bool at_time =
      period.times.empty() ||
      std::any_of(period.times.begin(), period.times.end(), [minute](const Range& times) {
        return times.begin <= minute && minute < times.end;
      });
  return at_time && contains_day(period, calendar_day(local));
}

bool contains(const TimeInterval& interval, WallTime time) {
  return std::any_of(interval.periods.begin(), interval.periods.end(),
                     [time](const TimePeriod& period) { return contains(period, time); });
}

WallTime next_change(const TimeInterval& interval, WallTime now) {
  const bool inside = contains(interval, now);
  constexpr int kBlock = 7;
  for (int first = 0; first < kSearchDays; first += kBlock) {
    const WallTime after = now + days(first);
    const WallTime until = after + days(kBlock);
    std::set<WallTime> boundaries;
    for (const TimePeriod& period : interval.periods) {
      const timezone::LocalTime today = timezone::day_of(period.zone.to_local(after));
      for (int day = -1; day <= kBlock + 1; ++day) {
        add_boundaries(period, today + days(day), boundaries);
      }
    }
    for (const WallTime at : boundaries) {
      if (at > after && at <= until && contains(interval, at) != inside) return at;
    }
  }
  return now + days(kSearchDays - kBlock);
}

Result<Range> parse_range(RangeOf of, std::string_view text) {
  const std::string lower = base::to_lower(text);
  const std::size_t colon = lower.find(':');
  const std::string first = lower.substr(0, colon);
  const std::string last = colon == std::string::npos ? first : lower.substr(colon + 1);
  Range range;
  for (const auto& [word, end] : {std::pair(&first, &range.begin), std::pair(&last, &range.end)}) {
    const auto value = parse_word(of, *word);
    if (!value) return invalid(fmt::format("'{}' is not a valid {}", *word, noun(of)));
    *end = *value;
  }
  if (of == RangeOf::DaysOfMonth) {
    TC_TRY(check_days(range));
  } else if (range.end < range.begin) {
    return invalid(fmt::format("start {} cannot be after end {}", noun(of), noun(of)));
  }
  return range;
}

Result<int> parse_minute(std::string_view text) {
  const auto digit = [text](std::size_t at) { return text[at] >= '0' && text[at] <= '9'; };
  if (text.size() == 5 && text[2] == ':' && digit(0) && digit(1) && digit(3) && digit(4)) {
    const int hour = (text[0] - '0') * 10 + text[1] - '0';
    const int minute = (text[3] - '0') * 10 + text[4] - '0';
    const int total = hour * 60 + minute;
    if (minute < 60 && total <= kMinutesOfDay) return total;
  }
  return invalid(fmt::format("'{}' is not a time of the day from 00:00 to 24:00", text));
}

Result<Range> make_times(std::string_view begin, std::string_view end) {
  Range range;
  TC_TRY(range.begin, parse_minute(begin));
  TC_TRY(range.end, parse_minute(end));
  if (range.begin >= range.end) {
    return invalid("start time cannot be equal or greater than end time");
  }
  return range;
}

Result<Range> parse_times(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) {
    return invalid(fmt::format("'{}' is not a range of times such as 09:00-17:30", text));
  }
  return make_times(base::trim(text.substr(0, dash)), base::trim(text.substr(dash + 1)));
}

}  // namespace tocsin::routing
