// How a place writes an instant: its distance from UTC then, and the zone's short name.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/base/time.h"

namespace tocsin::timezone {

struct Offset {
  int seconds = 0;           ///< East of UTC is positive.
  std::string abbreviation;  ///< "CET", "CEST"; "+03" where the zone has no name.
};

/// Errors: InvalidArgument (no such zone). Thread: any.
base::Result<Offset> offset_at(std::string_view zone_name, base::WallTime at);

}  // namespace tocsin::timezone
