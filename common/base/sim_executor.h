// Simulated time: a clock that moves only when told, and an executor that runs on the caller's
// thread.
//
// SimExecutor pops the earliest timer, ties broken by insertion number, sets the clock and runs the
// task: the same program gives the same trace, and a month of escalation takes milliseconds.
#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>
#include <utility>

#include "common/base/executor.h"

namespace tocsin::base {

/// A clock that moves only when told.
class SimClock final : public Clock {
 public:
  explicit SimClock(WallTime start = wall_time(0)) : wall_(start) {}

  WallTime wall() const override { return wall_; }
  MonotonicTime monotonic() const override { return monotonic_; }

  /// Moves both clocks forward.
  void advance(Duration by) {
    wall_ += by;
    monotonic_ += by;
  }
  /// Steps the wall clock alone, either way, as an administrator or NTP does.
  void step_wall(Duration by) { wall_ += by; }

 private:
  WallTime wall_;
  MonotonicTime monotonic_{};
};

/// Deterministic executor in simulated time. Thread: one.
class SimExecutor final : public Executor {
 public:
  explicit SimExecutor(SimClock& clock) : clock_(clock) {}

  void post(Task task) override { post_at(clock_.monotonic(), std::move(task)); }
  TimerId post_at(MonotonicTime due, Task task) override;
  void cancel(TimerId timer) override;
  bool running_here() const override { return true; }
  const Clock& clock() const override { return clock_; }

  /// Runs everything due up to `by` from now, and leaves the clock there.
  void run_for(Duration by);
  /// Runs what is due now, also what that posts. Returns the number of tasks run.
  std::size_t run_ready();
  /// Returns the number of tasks and timers waiting.
  std::size_t pending() const { return queue_.size(); }

 private:
  bool run_one(MonotonicTime until);

  SimClock& clock_;
  TimerId last_ = 0;
  std::map<std::pair<MonotonicTime, TimerId>, Task> queue_;
  std::unordered_map<TimerId, MonotonicTime> due_;  ///< Of each in the queue.
};

}  // namespace tocsin::base
