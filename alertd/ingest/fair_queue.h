// Whose request is worked on next: the one whose sender has had the least.
//
// Start-time fair queueing: every lane has a clock of its own that runs on by what its requests
// cost; the lane whose clock is furthest behind goes first. A lane that was idle begins at the
// present, so a pause earns no credit, and a small request of a quiet sender waits for no more than
// the one that is being worked on. One request of a lane at a time, and what a lane has in the
// store is bounded, so that the store's own queue, which is first come first served, is fair too.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "common/base/mutex.h"

namespace tocsin::ingest {

/// Thread: any.
class FairQueue {
 public:
  using Task = std::function<void()>;

  /// What one sender waits with. Made by lane(); outlives nothing but its own tasks.
  class Lane;
  using LanePtr = std::shared_ptr<Lane>;

  /// `open_max` is what one lane may have beyond decoding (in samples) before it must wait.
  explicit FairQueue(std::uint64_t open_max) : open_max_(open_max) {}

  LanePtr lane();
  /// `cost` in any unit, the same for all lanes.
  void push(const LanePtr& lane, std::uint64_t cost, Task task) EXCLUDES(mutex_);
  /// The next task, and its lane, which gets no further one before finished().
  std::optional<std::pair<LanePtr, Task>> pop() EXCLUDES(mutex_);
  /// The task is done.
  void finished(const LanePtr& lane) EXCLUDES(mutex_);
  /// So many samples are on their way through the store, and have come out of it again; opened()
  /// before finished(). closed() returns whether the lane may go on now that had to wait.
  void opened(const LanePtr& lane, std::uint64_t samples) EXCLUDES(mutex_);
  bool closed(const LanePtr& lane, std::uint64_t samples) EXCLUDES(mutex_);
  std::size_t waiting() const EXCLUDES(mutex_);

 private:
  struct Turn {
    std::uint64_t clock = 0;
    std::uint64_t order = 0;
    LanePtr lane;
    bool operator<(const Turn& other) const {
      return std::pair(clock, order) < std::pair(other.clock, other.order);
    }
  };
  void make_ready(const LanePtr& lane) REQUIRES(mutex_);

  const std::uint64_t open_max_;
  mutable base::Mutex mutex_;
  std::uint64_t now_ GUARDED_BY(mutex_) = 0;   // the clock of the lane that went last
  std::uint64_t last_ GUARDED_BY(mutex_) = 0;  // to order lanes with equal clocks
  std::size_t waiting_ GUARDED_BY(mutex_) = 0;
  std::set<Turn> ready_ GUARDED_BY(mutex_);
};

}  // namespace tocsin::ingest
