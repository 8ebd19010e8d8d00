// Where work runs. A component gets an Executor and never creates a thread.
//
// Production uses AsioExecutor (asio_executor.h); tests and simulations use SimExecutor
// (sim_executor.h), which runs everything on the caller's thread in simulated time.
#pragma once

#include <cstdint>
#include <functional>

#include "common/base/clock.h"

namespace tocsin::base {

using Task = std::function<void()>;

/// Names a pending timer; 0 is none.
using TimerId = std::uint64_t;

/// Runs tasks. Thread: post, post_at and cancel from any.
class Executor {
 public:
  virtual ~Executor() = default;

  /// Runs `task` soon, never inside this call. On an executor with one thread: in order of posting.
  virtual void post(Task task) = 0;

  /// Runs `task` at `due`, or soon if that is past. Returns a name for cancel().
  virtual TimerId post_at(MonotonicTime due, Task task) = 0;

  /// Forgets the timer if it has not started; otherwise does nothing.
  virtual void cancel(TimerId timer) = 0;

  /// Returns whether the caller runs on one of this executor's threads.
  virtual bool running_here() const = 0;

  virtual const Clock& clock() const = 0;

  /// Runs `task` after `delay`.
  TimerId post_after(Duration delay, Task task) {
    return post_at(clock().monotonic() + delay, std::move(task));
  }
};

}  // namespace tocsin::base
