#include "alertd/ingest/fair_queue.h"

#include <algorithm>

namespace tocsin::ingest {

// Guarded by the queue's mutex.
class FairQueue::Lane {
 public:
  struct Waiting {
    std::uint64_t cost = 0;
    Task task;
  };
  std::deque<Waiting> waiting;
  std::uint64_t clock = 0;
  std::uint64_t open = 0;
  bool running = false;
  bool ready = false;
};

FairQueue::LanePtr FairQueue::lane() {
  return std::make_shared<Lane>();
}

void FairQueue::make_ready(const LanePtr& lane) {
  if (lane->ready || lane->running || lane->waiting.empty() || lane->open >= open_max_) return;
  lane->ready = true;
  lane->clock = std::max(lane->clock, now_);
  ready_.insert({lane->clock, ++last_, lane});
}

void FairQueue::push(const LanePtr& lane, std::uint64_t cost, Task task) {
  const base::MutexLock lock(mutex_);
  lane->waiting.push_back({cost, std::move(task)});
  ++waiting_;
  make_ready(lane);
}

std::optional<std::pair<FairQueue::LanePtr, FairQueue::Task>> FairQueue::pop() {
  const base::MutexLock lock(mutex_);
  if (ready_.empty()) return std::nullopt;
  const LanePtr lane = ready_.begin()->lane;
  ready_.erase(ready_.begin());
  lane->ready = false;
  lane->running = true;
  now_ = lane->clock;
  Lane::Waiting next = std::move(lane->waiting.front());
  lane->waiting.pop_front();
  --waiting_;
  lane->clock += next.cost;
  return std::pair(lane, std::move(next.task));
}

void FairQueue::finished(const LanePtr& lane) {
  const base::MutexLock lock(mutex_);
  lane->running = false;
  make_ready(lane);
}

void FairQueue::opened(const LanePtr& lane, std::uint64_t samples) {
  const base::MutexLock lock(mutex_);
  lane->open += samples;
}

bool FairQueue::closed(const LanePtr& lane, std::uint64_t samples) {
  const base::MutexLock lock(mutex_);
  const bool stood = lane->open >= open_max_;
  lane->open -= samples;
  make_ready(lane);
  return stood && lane->ready;
}

std::size_t FairQueue::waiting() const {
  const base::MutexLock lock(mutex_);
  return waiting_;
}

}  // namespace tocsin::ingest
