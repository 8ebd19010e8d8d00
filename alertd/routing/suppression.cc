#include "alertd/routing/suppression.h"

#include <fmt/format.h>

#include "common/base/strings.h"

namespace tocsin::routing {

std::string describe(const Mute& mute) {
  if (!mute.any()) return {};
  return fmt::format("{} time interval '{}'",
                     mute.reason == Reason::OutsideActiveTime ? "outside" : "in",
                     base::join(mute.intervals, "', '"));
}

}  // namespace tocsin::routing
