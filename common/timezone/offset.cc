#include "common/timezone/offset.h"

#include <date/tz.h>

#include "common/timezone/zone.h"

namespace tocsin::timezone {

base::Result<Offset> offset_at(std::string_view zone_name, base::WallTime at) {
  TC_TRY(const Zone zone, Zone::find(zone_name));  // says what is wrong with the name
  if (zone == Zone()) return Offset{0, "UTC"};
  try {
    const date::time_zone* found =
        zone_name == "Local" ? date::current_zone() : date::locate_zone(std::string(zone_name));
    const date::sys_info info = found->get_info(std::chrono::floor<std::chrono::seconds>(at));
    return Offset{static_cast<int>(info.offset.count()), info.abbrev};
  } catch (const std::exception& failure) {
    return base::error(base::ErrorCode::InvalidArgument, failure.what());
  }
}

}  // namespace tocsin::timezone
