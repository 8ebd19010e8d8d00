// The thread on which built-in work of tasks is done: one at a time.
#pragma once

#include <atomic>
#include <memory>

#include "agent/collectors/blocking/hanging_call.h"
#include "agent/tasks/task_execution.h"

namespace tocsin::agent {

/// Owner: the program; it outlives reloads, so that a run goes on over them. Thread: start() from
/// the thread of the tasks' source, stop() from main when nobody calls start() any more.
class TaskWorker {
 public:
  TaskWorker(base::FileSystem& files, const base::Clock& clock)
      : files_(files), clock_(clock), thread_(clock, "task", std::make_shared<CallSignal>()) {}

  /// Begins the run of a task and returns true; false if one is under way.
  bool start(const TaskSettings& task, const TasksSettings& settings);

  /// Asks the run under way to stop and waits at most `duration`. Returns false if it did not: then
  /// end the process without destroying this.
  bool stop(base::Duration duration);

 private:
  base::FileSystem& files_;
  const base::Clock& clock_;
  std::shared_ptr<std::atomic<bool>> stop_ = std::make_shared<std::atomic<bool>>(false);
  HangingCallWorker thread_;
};

}  // namespace tocsin::agent
