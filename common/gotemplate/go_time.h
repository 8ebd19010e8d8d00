// Times and durations as Go writes and reads them.
#pragma once

#include <string>
#include <string_view>

#include "common/base/time.h"
#include "common/gotemplate/template.h"

namespace tocsin::gotemplate {

/// time.Time.String: "2015-06-23 13:19:44.128 +0000 UTC".
std::string go_time_text(base::WallTime time, const ZoneOffset& zone = {});

/// time.Time.Format: `layout` is written as the reference time Mon Jan 2 15:04:05 MST 2006.
std::string go_time_format(base::WallTime time, std::string_view layout,
                           const ZoneOffset& zone = {});

/// time.Parse, in UTC unless the text has an offset. Names of zones are not understood but "UTC".
/// Errors: InvalidArgument (what was expected where).
base::Result<base::WallTime> go_time_parse(std::string_view layout, std::string_view text);

/// Returns the piece of a layout that it begins with, "" if that is plain text.
std::string_view go_layout_piece(std::string_view layout);

/// time.Duration.String: "1h2m3.5s", "1.5ms", "0s". Cut at nanoseconds.
std::string go_duration_text(double seconds);

}  // namespace tocsin::gotemplate
