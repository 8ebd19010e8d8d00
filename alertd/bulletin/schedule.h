// When reports are due: "daily 07:30", "weekly mon 08:00", "monthly 1 06:00", in a time zone.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "common/timezone/zone.h"

namespace tocsin::bulletin {

/// A local time of each day, of one day of each week, or of one day of each month.
///
/// Where clocks are put forward over it, it is the first instant after; where it comes twice, the
/// first of the two (timezone::Zone). A month without the day has it on its last one.
class Schedule {
 public:
  /// Errors: InvalidArgument (shows what is expected).
  static base::Result<Schedule> parse(std::string_view text);

  /// Returns the last instant at or before `at` at which it was due.
  base::WallTime last_due(base::WallTime at, const timezone::Zone& zone) const;
  /// Returns the longest time between two: a day, a week or a month.
  base::Duration interval() const;

 private:
  enum class Every { Day, Week, Month };
  base::WallTime due_in(timezone::LocalTime day, const timezone::Zone& zone) const;

  Every every_ = Every::Day;
  int day_ = 0;  ///< Of the week, 0 is Monday; of the month, from 1.
  std::chrono::minutes time_{0};
};

}  // namespace tocsin::bulletin
