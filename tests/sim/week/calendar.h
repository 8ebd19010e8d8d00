// Local time for the oracle: three zones, their clock changes of 2026 written down by hand.
//
// On purpose not common/timezone: what checks the engine must not share its arithmetic.
#pragma once

#include <string>

#include "common/base/time.h"

namespace tocsin::week {

enum class Zone { Utc, Berlin, NewYork };

/// Returns the IANA name.
std::string name_of(Zone zone);

/// Returns local time minus UTC at `at`; right in 2026 only.
base::Duration offset(Zone zone, base::WallTime at);

/// Returns what a clock on the wall shows, as if it were UTC.
inline base::WallTime local(Zone zone, base::WallTime at) {
  return at + offset(zone, at);
}

/// Returns the instant at which the clock on the wall shows `shown`; of two the first one.
base::WallTime instant(Zone zone, base::WallTime shown);

/// Returns local midnight, as the clock shows it, of the day that contains `shown`.
base::WallTime midnight(base::WallTime shown);

/// Returns 0 for Sunday ... 6 for Saturday.
int weekday(base::WallTime shown);

/// Returns "2026-03-26T09:00" of what the clock shows.
std::string format_shown(base::WallTime shown);

}  // namespace tocsin::week
