// Tasks one after the other on an executor with many threads: the owner of a group's state.
#pragma once

#include <deque>
#include <memory>

#include "common/base/executor.h"
#include "common/base/mutex.h"

namespace tocsin::ruler {

/// Runs posted tasks in order, never two at once. Thread: post from any. The executor must outlive
/// the last task; the strand itself may be destroyed while tasks wait (they still run). Tasks that
/// wait when the executor is stopped are destroyed with it.
class Strand {
 public:
  explicit Strand(base::Executor& executor) : state_(std::make_shared<State>(executor)) {}

  void post(base::Task task);

 private:
  struct State {
    explicit State(base::Executor& on) : executor(on) {}
    base::Executor& executor;
    base::Mutex mutex;
    std::deque<base::Task> tasks GUARDED_BY(mutex);
    bool scheduled GUARDED_BY(mutex) = false;
  };
  class Turn;
  static void schedule(const std::shared_ptr<State>& state);
  static void run_one(const std::shared_ptr<State>& state);

  std::shared_ptr<State> state_;
};

}  // namespace tocsin::ruler
