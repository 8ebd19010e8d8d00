// Numbers for people, exactly as Prometheus prints them.
#pragma once

#include <string>

#include "common/base/result.h"

namespace tocsin::gotemplate {

/// Metric prefixes, four digits: "1.234M", "123m", "+Inf".
std::string humanize(double value);
/// Binary prefixes: "1.5Ki".
std::string humanize_1024(double value);
/// "1d 2h 3m 4s", "1.234s", "5.6ms".
std::string humanize_duration(double seconds);
/// Of a ratio: 0.1234567 gives "12.35%".
std::string humanize_percentage(double ratio);
/// "2015-06-23 13:19:44.128 +0000 UTC". Errors: InvalidArgument beyond int64 nanoseconds.
base::Result<std::string> humanize_timestamp(double seconds);

}  // namespace tocsin::gotemplate
