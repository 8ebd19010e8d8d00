// Which time retention believes in.
//
// A wall clock that jumps a year ahead must not delete fifteen days of samples. Retention follows
// the wall clock only as far as the newest sample goes, and not over a jump of more than an hour
// until the new time has stood for a day.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "common/base/clock.h"

namespace tocsin::tsdb {

/// Owner: the store thread.
class RetentionClock {
 public:
  explicit RetentionClock(const base::Clock& clock) : clock_(clock) {}

  /// Returns the time to count the retention from. `newest_ms` is the newest sample's.
  std::int64_t now_ms(std::int64_t newest_ms) {
    const std::int64_t wall = base::to_ms(clock_.wall());
    const base::MonotonicTime monotonic = clock_.monotonic();
    if (!anchored_) {
      anchored_ = true;
    } else {
      const std::int64_t elapsed =
          std::chrono::duration_cast<base::Duration>(monotonic - monotonic_).count();
      const std::int64_t expected = believed_ms_ + elapsed;
      if (wall > expected + kJumpMs) {
        if (!jumped_at_) {
          jumped_at_ = monotonic;
          ++jumps_;
        }
        if (monotonic - *jumped_at_ < kProbation) {
          believed_ms_ = expected;
          monotonic_ = monotonic;
          return std::min(expected, newest_ms);
        }
      }
    }
    jumped_at_.reset();
    believed_ms_ = wall;
    monotonic_ = monotonic;
    return std::min(wall, newest_ms);
  }
  std::uint64_t jumps() const { return jumps_; }

 private:
  static constexpr std::int64_t kJumpMs = 3'600'000;
  static constexpr std::chrono::hours kProbation{24};

  const base::Clock& clock_;
  bool anchored_ = false;
  std::int64_t believed_ms_ = 0;
  base::MonotonicTime monotonic_{};
  std::optional<base::MonotonicTime> jumped_at_;
  std::uint64_t jumps_ = 0;
};

}  // namespace tocsin::tsdb
