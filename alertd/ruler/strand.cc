#include "alertd/ruler/strand.h"

#include <utility>

namespace tocsin::ruler {

// One turn on the executor. If the executor is stopped, its turns are destroyed without having run:
// then the waiting tasks go too, because nobody would ever run them, and what they hold (often the
// owner of this very strand) would live for ever.
class Strand::Turn {
 public:
  explicit Turn(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~Turn() {
    if (!state_) return;
    std::deque<base::Task> dropped;  // destroyed after the lock is free
    {
      base::MutexLock lock(state_->mutex);
      dropped.swap(state_->tasks);
      state_->scheduled = false;
    }
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  void take() { run_one(std::exchange(state_, nullptr)); }

 private:
  std::shared_ptr<State> state_;
};

void Strand::schedule(const std::shared_ptr<State>& state) {
  state->executor.post([turn = std::make_shared<Turn>(state)] { turn->take(); });
}

void Strand::post(base::Task task) {
  {
    base::MutexLock lock(state_->mutex);
    state_->tasks.push_back(std::move(task));
    if (state_->scheduled) return;
    state_->scheduled = true;
  }
  schedule(state_);
}

void Strand::run_one(const std::shared_ptr<State>& state) {
  base::Task task;
  {
    base::MutexLock lock(state->mutex);
    task = std::move(state->tasks.front());
    state->tasks.pop_front();
  }
  task();
  task = nullptr;
  {
    base::MutexLock lock(state->mutex);
    if (state->tasks.empty()) {
      state->scheduled = false;
      return;
    }
  }
  // Posted anew rather than looped, so that one busy group does not keep a thread to itself.
  schedule(state);
}

}  // namespace tocsin::ruler
