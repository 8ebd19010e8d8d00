// Times on the command line and in reports: what a person writes, and the zone it is shown in.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/base/time.h"

namespace tocsin::cli {

/// Parses "now", "-24h" or "now-24h" (before now), unix seconds, RFC 3339, or a date with or
/// without a time in the local zone ("2026-11-23", "2026-11-23 14:05", "2026-11-23 14:05:30").
/// Errors: InvalidArgument (names the text and shows the forms).
base::Result<base::WallTime> parse_when(const std::string& text, base::WallTime now);

/// Returns "2026-11-23 14:05:30" in the local zone.
std::string format_local(base::WallTime time);

/// Returns the local zone at that time: "CET, UTC+01:00".
std::string local_zone(base::WallTime time);

}  // namespace tocsin::cli
