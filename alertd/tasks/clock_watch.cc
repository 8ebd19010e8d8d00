#include "alertd/tasks/clock_watch.h"

#include <utility>

namespace tocsin::tasks {

std::optional<base::Duration> ClockWatch::look(base::WallTime wall, base::MonotonicTime monotonic) {
  const auto passed =
      std::chrono::duration_cast<base::Duration>(monotonic - std::exchange(monotonic_, monotonic));
  const auto before = std::exchange(wall_, wall);
  if (!before) return std::nullopt;
  const base::Duration jump = (wall - *before) - passed;
  if (jump > kJump || jump < -kJump) return jump;
  return std::nullopt;
}

}  // namespace tocsin::tasks
