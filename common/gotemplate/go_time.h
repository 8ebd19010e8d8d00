// Times and durations as Go writes them. UTC only.
#pragma once

#include <string>
#include <string_view>

#include "common/base/time.h"

namespace tocsin::gotemplate {

/// time.Time.String: "2015-06-23 13:19:44.128 +0000 UTC".
std::string go_time_text(base::WallTime time);

/// time.Time.Format: `layout` is written as the reference time Mon Jan 2 15:04:05 MST 2006.
std::string go_time_format(base::WallTime time, std::string_view layout);

/// time.Duration.String: "1h2m3.5s", "1.5ms", "0s". Cut at nanoseconds.
std::string go_duration_text(double seconds);

}  // namespace tocsin::gotemplate
