#include "tests/sim/week/calendar.h"

namespace tocsin::week {

using base::Duration;
using base::WallTime;
using std::chrono::hours;

namespace {

// 2026-03-29T01:00Z, 2026-10-25T01:00Z, 2026-03-08T07:00Z, 2026-11-01T06:00Z.
constexpr WallTime kBerlinSummer = base::wall_time(1'774'746'000'000);
constexpr WallTime kBerlinWinter = base::wall_time(1'792'890'000'000);
constexpr WallTime kNewYorkSummer = base::wall_time(1'772'953'200'000);
constexpr WallTime kNewYorkWinter = base::wall_time(1'793'512'800'000);
constexpr Duration kDay = hours(24);

}  // namespace

std::string name_of(Zone zone) {
  return zone == Zone::Berlin    ? "Europe/Berlin"
         : zone == Zone::NewYork ? "America/New_York"
                                 : "UTC";
}

Duration offset(Zone zone, WallTime at) {
  switch (zone) {
    case Zone::Berlin:
      return hours(at >= kBerlinSummer && at < kBerlinWinter ? 2 : 1);
    case Zone::NewYork:
      return hours(at >= kNewYorkSummer && at < kNewYorkWinter ? -4 : -5);
    case Zone::Utc:
      break;
  }
  return Duration(0);
}

WallTime instant(Zone zone, WallTime shown) {
  // Summer time is ahead, so its reading is the earlier instant.
  for (const int summer : {1, 0}) {
    const Duration off = zone == Zone::Berlin    ? hours(1 + summer)
                         : zone == Zone::NewYork ? hours(-5 + summer)
                                                 : hours(0);
    if (offset(zone, shown - off) == off) return shown - off;
  }
  // Skipped: the clock jumps over it.
  return zone == Zone::Berlin ? kBerlinSummer : kNewYorkSummer;
}

WallTime midnight(WallTime shown) {
  const auto since = shown.time_since_epoch();
  return WallTime(since - since % kDay);
}

int weekday(WallTime shown) {
  return static_cast<int>((shown.time_since_epoch() / kDay + 4) % 7);  // 1970 began on a Thursday
}

std::string format_shown(WallTime shown) {
  return base::format_rfc3339(shown).substr(0, 16);
}

}  // namespace tocsin::week
