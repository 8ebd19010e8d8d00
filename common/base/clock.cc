#include "common/base/clock.h"

namespace tocsin::base {

WallTime RealClock::wall() const {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

MonotonicTime RealClock::monotonic() const {
  return std::chrono::steady_clock::now();
}

}  // namespace tocsin::base
