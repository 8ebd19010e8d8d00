// Named times of the week, month or year: nights, office hours, the last day of the month.
//
// The fields and their meaning are Alertmanager's: within a field one range must hold, all fields
// given must hold, and an interval holds if one of its periods does. Local time of a zone, default
// UTC; right across the days on which clocks are set. next_change() makes the boundaries timers.
// Source: shared/reference/routing.md, section 1, "Time intervals".
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "common/timezone/zone.h"

namespace tocsin::routing {

/// A day on the calendar of a place.
struct CalendarDay {
  std::chrono::year_month_day date;
  int weekday = 0;  ///< 0: Sunday.
  int days_in_month = 0;
};

/// Both ends inclusive.
struct Range {
  int begin = 0;
  int end = 0;
  friend bool operator==(const Range&, const Range&) = default;
};

/// One element of a time interval; an empty field does not restrict.
struct TimePeriod {
  std::vector<Range> times;          ///< Minutes of the day; here the end is exclusive.
  std::vector<Range> weekdays;       ///< 0: Sunday.
  std::vector<Range> days_of_month;  ///< 1 to 31; negative from the month's end.
  std::vector<Range> months;         ///< 1 to 12.
  std::vector<Range> years;
  timezone::Zone zone;
};

struct TimeInterval {
  std::string name;
  std::vector<TimePeriod> periods;
};

CalendarDay calendar_day(timezone::LocalTime local);

/// Returns whether the day is in the period, whatever the time of the day.
bool contains_day(const TimePeriod& period, const CalendarDay& day);

bool contains(const TimePeriod& period, base::WallTime time);
bool contains(const TimeInterval& interval, base::WallTime time);

/// Returns when contains() changes next after `now`. If that is more than a year away: a time a
/// year away, at which to ask again. Cost: microseconds, up to some milliseconds.
base::WallTime next_change(const TimeInterval& interval, base::WallTime now);

/// What a range is of.
enum class RangeOf { Weekdays, DaysOfMonth, Months, Years };

/// Reads "monday:friday", "-3:-1", "march", "2026:2028"; one word is a range of one.
/// Errors: InvalidArgument (what is wrong, in Alertmanager's sense: start after end, out of range).
base::Result<Range> parse_range(RangeOf of, std::string_view text);

/// Reads a time of the day, "00:00" to "24:00", in minutes. Errors: InvalidArgument.
base::Result<int> parse_minute(std::string_view text);

/// Reads "09:00-17:30". Errors: InvalidArgument (also an end that is not after the start).
base::Result<Range> parse_times(std::string_view text);

/// Makes the range of two times of the day. Errors: as parse_times.
base::Result<Range> make_times(std::string_view begin, std::string_view end);

}  // namespace tocsin::routing
