// Notices that the wall clock jumped: what the dead-man clock must not take for time that passed.
#pragma once

#include <optional>

#include "common/base/time.h"

namespace tocsin::tasks {

/// `[tasks]` of alertd.toml.
struct ClockSettings {
  base::Duration interval{15'000};  ///< Between two looks at all tasks.
  base::Duration freeze{300'000};   ///< After a jump of the clock, or a start after an absence.
};

/// Thread: one at a time. Pure apart from what it saw last.
class ClockWatch {
 public:
  /// Less is the drift of a host, or its correction.
  static constexpr base::Duration kJump = std::chrono::minutes(5);

  /// Looks at both clocks. Returns by how much the wall clock jumped since the last look, positive
  /// is forward; nullopt: it did not. A machine that slept is a jump, too.
  std::optional<base::Duration> look(base::WallTime wall, base::MonotonicTime monotonic);

 private:
  std::optional<base::WallTime> wall_;
  base::MonotonicTime monotonic_{};
};

}  // namespace tocsin::tasks
