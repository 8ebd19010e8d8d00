#include "common/base/sim_executor.h"

#include <algorithm>

namespace tocsin::base {

TimerId SimExecutor::post_at(MonotonicTime due, Task task) {
  const TimerId id = ++last_;
  due = std::max(due, clock_.monotonic());
  queue_.emplace(std::pair{due, id}, std::move(task));
  due_.emplace(id, due);
  return id;
}

void SimExecutor::cancel(TimerId timer) {
  const auto found = due_.extract(timer);
  if (found) queue_.erase({found.mapped(), timer});
}

bool SimExecutor::run_one(MonotonicTime until) {
  if (queue_.empty()) return false;
  const auto first = queue_.begin();
  const MonotonicTime due = first->first.first;
  if (due > until) return false;
  if (due > clock_.monotonic()) {
    clock_.advance(std::chrono::ceil<Duration>(due - clock_.monotonic()));
  }
  const Task task = std::move(first->second);
  due_.erase(first->first.second);
  queue_.erase(first);
  task();
  return true;
}

void SimExecutor::run_for(Duration by) {
  const MonotonicTime until = clock_.monotonic() + by;
  while (run_one(until)) {
  }
  if (clock_.monotonic() < until) {
    clock_.advance(std::chrono::ceil<Duration>(until - clock_.monotonic()));
  }
}

std::size_t SimExecutor::run_ready() {
  std::size_t count = 0;
  while (run_one(clock_.monotonic())) ++count;
  return count;
}

}  // namespace tocsin::base
