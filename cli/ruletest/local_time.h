// Times as test files write them: since the start, as a time of the day, or as a date.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/base/time.h"

namespace tocsin::ruletest {

/// When the simulated time of a test begins, and the zone in which its times of day are meant.
struct TestClock {
  base::WallTime start = base::wall_time(0);
  std::string zone = "UTC";  ///< Of the time zone database.
};

/// Errors: InvalidArgument (no such zone).
base::Result<void> check_zone(const std::string& zone);

/// Reads a start: RFC 3339, "2026-03-29", "2026-03-29T01:30" or with seconds; without an offset the
/// time is of `zone`. A time that the zone skips or has twice is refused. Errors: InvalidArgument.
base::Result<base::WallTime> parse_date(std::string_view text, const std::string& zone);

/// Reads the time of an assertion, as time since the start: a duration ("90s"), a time of the day
/// ("09:30", the first one at or after the start), or a date as parse_date() reads it.
/// Errors: InvalidArgument (also for a date before the start).
base::Result<base::Duration> parse_test_time(std::string_view text, const TestClock& clock);

}  // namespace tocsin::ruletest
