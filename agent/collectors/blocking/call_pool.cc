#include "agent/collectors/blocking/call_pool.h"

#include <algorithm>
#include <utility>

namespace tocsin::agent {

namespace {

/// A thread that has said it is done needs a moment to be so.
constexpr base::Duration kReturns{50};
/// How long the end waits for calls that are out: most are through in a moment, and then nothing
/// runs on while the program ends. Those that hang are left behind.
constexpr base::Duration kLeave{250};

}  // namespace

struct CallPool::Door {
  explicit Door(base::Executor& to) : executor(&to) {}

  void post(base::Task task) {
    const base::MutexLock lock(mutex);
    if (executor != nullptr) executor->post(std::move(task));
  }
  void shut() {
    const base::MutexLock lock(mutex);
    executor = nullptr;
  }

  base::Mutex mutex;
  base::Executor* executor GUARDED_BY(mutex);
};

CallPool::CallPool(std::string thread, base::Executor& executor, CallPoolLimits limits)
    : thread_(std::move(thread)),
      executor_(executor),
      limits_(limits),
      door_(std::make_shared<Door>(executor)) {}

CallPool::~CallPool() {
  door_->shut();
  executor_.cancel(growing_);
  const base::Clock& clock = executor_.clock();
  const base::MonotonicTime until = clock.monotonic() + kLeave;
  for (const auto& worker : workers_) {
    const auto rest = std::chrono::duration_cast<base::Duration>(until - clock.monotonic());
    if (rest > base::Duration{0}) static_cast<void>(worker->thread->wait(rest));
  }
}

void CallPool::run(Call call) {
  waiting_.push_back({std::move(call), executor_.clock().monotonic()});
  start_waiting();
  if (!waiting_.empty() && growing_ == 0) look_again();
}

void CallPool::look_again() {
  returned_before_ = returned_;
  growing_ = executor_.post_after(limits_.patience, [this, alive = std::weak_ptr<int>(alive_)] {
    if (!alive.expired()) grow();
  });
}

void CallPool::start_waiting() {
  while (!waiting_.empty()) {
    Worker* worker = idle_worker();
    if (worker == nullptr && workers_.size() < limits_.usual) worker = &add_worker();
    if (worker == nullptr) return;
    start(*worker);
  }
}

void CallPool::start(Worker& worker) {
  worker.out = true;
  Call call = std::move(waiting_.front().call);
  waiting_.pop_front();
  worker.thread->start([call = std::move(call), id = worker.id, this, door = door_,
                        alive = std::weak_ptr<int>(alive_)] {
    base::Task then = call();
    door->post([this, id, alive, then = std::move(then)] {
      if (alive.expired()) return;
      then();
      if (!alive.expired()) returned(id);
    });
  });
}

// Only when nothing moves: many calls that each take a moment are served in turn.
void CallPool::grow() {
  growing_ = 0;
  start_waiting();
  if (waiting_.empty()) return;
  const auto waited = executor_.clock().monotonic() - waiting_.front().since;
  if (returned_ != returned_before_ && waited < limits_.wait_max) {
    look_again();
    return;
  }
  while (!waiting_.empty() && workers_.size() < limits_.most) start(add_worker());
}

void CallPool::returned(std::uint64_t id) {
  const auto found = std::find_if(workers_.begin(), workers_.end(),
                                  [id](const auto& worker) { return worker->id == id; });
  if (found == workers_.end()) return;
  Worker& worker = **found;
  ++returned_;
  static_cast<void>(worker.thread->wait(kReturns));
  worker.out = false;
  worker.idle_since = executor_.clock().monotonic();
  start_waiting();
  end_idle();
}

void CallPool::end_idle() {
  const base::MonotonicTime now = executor_.clock().monotonic();
  for (auto at = workers_.begin(); at != workers_.end() && workers_.size() > limits_.usual;) {
    const Worker& worker = **at;
    const bool over =
        !worker.out && !worker.thread->busy() && now - worker.idle_since >= limits_.idle_for_max;
    at = over ? workers_.erase(at) : at + 1;
  }
}

// The one that was used last: so that those beyond the usual get old.
CallPool::Worker* CallPool::idle_worker() {
  Worker* best = nullptr;
  for (const auto& worker : workers_) {
    if (worker->out || worker->thread->busy()) continue;
    if (best == nullptr || worker->idle_since > best->idle_since) best = worker.get();
  }
  return best;
}

CallPool::Worker& CallPool::add_worker() {
  auto worker = std::make_unique<Worker>();
  worker->id = ++last_id_;
  worker->thread = std::make_unique<HangingCallWorker>(executor_.clock(), thread_,
                                                       std::make_shared<CallSignal>());
  workers_.push_back(std::move(worker));
  return *workers_.back();
}

}  // namespace tocsin::agent
