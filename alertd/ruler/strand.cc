#include "alertd/ruler/strand.h"

namespace tocsin::ruler {

void Strand::post(base::Task task) {
  {
    base::MutexLock lock(state_->mutex);
    state_->tasks.push_back(std::move(task));
    if (state_->scheduled) return;
    state_->scheduled = true;
  }
  state_->executor.post([state = state_] { run_one(state); });
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
  state->executor.post([state] { run_one(state); });
}

}  // namespace tocsin::ruler
