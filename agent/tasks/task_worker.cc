#include "agent/tasks/task_worker.h"

namespace tocsin::agent {

bool TaskWorker::start(const TaskSettings& task, const TasksSettings& settings) {
  if (thread_.busy()) return false;
  thread_.start(
      [task, world = ExecutionWorld{files_, clock_, settings.inbox, settings.state_folder, stop_}] {
        static_cast<void>(execute_task(task, task.dry_run, world));
      });
  return true;
}

bool TaskWorker::stop(base::Duration duration) {
  *stop_ = true;
  return thread_.wait(duration);
}

}  // namespace tocsin::agent
