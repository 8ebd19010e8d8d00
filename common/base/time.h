// Two kinds of time that do not convert into each other.
//
// WallTime is what people and samples mean: it jumps when somebody sets the clock. MonotonicTime is
// for time-outs, back-off and timers: it never jumps, and means nothing outside this process.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace tocsin::base {

using Duration = std::chrono::milliseconds;
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;
using MonotonicTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

/// Returns the instant `timestamp_ms` milliseconds after 1970-01-01T00:00:00Z.
constexpr WallTime wall_time(std::int64_t timestamp_ms) {
  return WallTime{std::chrono::milliseconds{timestamp_ms}};
}

/// Returns milliseconds since 1970-01-01T00:00:00Z.
constexpr std::int64_t to_ms(WallTime time) {
  return time.time_since_epoch().count();
}

/// Returns seconds since 1970-01-01T00:00:00Z.
constexpr double to_seconds(WallTime time) {
  return static_cast<double>(to_ms(time)) / 1000.0;
}

/// Parses a duration in Prometheus notation: one or more of y w d h m s ms, largest unit first.
///
/// "1h30m", "15s", "500ms", "0"; a year is 365 days. No sign, no fraction.
/// Errors: InvalidArgument (names the text and shows an example).
/// Source: Prometheus, "Configuration", <duration>.
Result<Duration> parse_duration(std::string_view text);

/// Returns the shortest Prometheus notation of a duration >= 0: "1h30m", "0s".
std::string format_duration(Duration duration);

/// Returns RFC 3339 in UTC with milliseconds when there are any: "2026-11-23T14:48:35Z".
std::string format_rfc3339(WallTime time);

/// Parses RFC 3339 with `Z` or an offset, with or without fractions of a second.
/// Errors: InvalidArgument.
Result<WallTime> parse_rfc3339(std::string_view text);

/// Returns the date in the format of mail headers: "Mon, 23 Nov 2026 14:48:35 +0000".
/// Source: RFC 5322, 3.3.
std::string format_rfc5322(WallTime time);

}  // namespace tocsin::base
