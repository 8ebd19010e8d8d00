// Local times of a place and instants, through the system's time zone database.
//
//   TC_TRY(const Zone berlin, Zone::find("Europe/Berlin"));
//   const WallTime begin = berlin.to_wall(local_days(day) + 9h);
//
// Clocks are put forward (a local time does not exist) and back (it comes twice); every caller gets
// the same decision: what does not exist is the first instant after the gap, what comes twice is
// the first of the two.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/base/time.h"

namespace date {
class time_zone;
}

namespace tocsin::timezone {

using LocalTime = std::chrono::local_time<std::chrono::milliseconds>;

/// A place; UTC unless found. Copyable; the database lives as long as the process. Thread: any.
class Zone {
 public:
  Zone() = default;

  /// "Local" is this host's. Errors: InvalidArgument (no such zone).
  static base::Result<Zone> find(std::string_view name);

  const std::string& name() const { return name_; }
  LocalTime to_local(base::WallTime at) const;
  base::WallTime to_wall(LocalTime local) const;
  /// Returns the later instant of a local time that comes twice; nullopt: it does not.
  std::optional<base::WallTime> second_to_wall(LocalTime local) const;
  /// Returns when clocks are put forward or back next after `at`, if within `window`.
  std::optional<base::WallTime> next_jump(base::WallTime at, base::Duration window) const;

  friend bool operator==(const Zone& a, const Zone& b) { return a.name_ == b.name_; }

 private:
  std::string name_ = "UTC";
  const date::time_zone* zone_ = nullptr;  ///< Null: UTC.
};

/// Returns 00:00 of the local day.
LocalTime day_of(LocalTime local);

/// Returns the day of the week, 0 is Monday.
int weekday_of(LocalTime local);

/// Parses "2026-01-05", "2026-01-05T09:00" or with seconds; a space may stand for the T.
/// Errors: InvalidArgument.
base::Result<LocalTime> parse_local(std::string_view text);

/// Parses "09:30" as minutes since midnight; "24:00" is allowed. Errors: InvalidArgument.
base::Result<std::chrono::minutes> parse_time_of_day(std::string_view text);

/// Returns "2026-01-05 09:00 CET" for people.
std::string format_local(const Zone& zone, base::WallTime at);

}  // namespace tocsin::timezone
