// Cron expressions in the local time of a place: when a task is due.
//
// Five fields (minute, hour, day of month, month, day of week) with lists, ranges, steps and
// English names; or @hourly, @daily, @weekly, @monthly, @yearly. If both days are restricted,
// either will do, as in crontab(5).
//
// When clocks change: a job with fixed hours runs once a day, at the first instant after the gap if
// its time is skipped, at the first of the two if its time comes twice. A job of every hour runs
// each hour that passes.
#pragma once

#include <bitset>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/timezone/zone.h"

namespace tocsin::agent {

/// Immutable. Thread: any.
class Cron {
 public:
  /// Errors: InvalidArgument (names the field and what it allows).
  static base::Result<Cron> parse(std::string_view text);

  /// Returns the first due instant after `after`; nullopt if there is none within five years
  /// (30 February).
  std::optional<base::WallTime> next(const timezone::Zone& zone, base::WallTime after) const;

  const std::string& text() const { return text_; }

 private:
  bool day_matches(timezone::LocalTime day) const;
  std::optional<base::WallTime> in_day(const timezone::Zone& zone, timezone::LocalTime day,
                                       base::WallTime after) const;

  std::string text_;
  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;     ///< Of the month, from 1.
  std::bitset<13> months_;   ///< From 1.
  std::bitset<7> weekdays_;  ///< 0 is Sunday.
  bool any_day_ = true;      ///< The day of the month is not restricted.
  bool any_weekday_ = true;
  bool any_hour_ = false;
};

}  // namespace tocsin::agent
