// The tasks of this host as the sampler sees them.
#pragma once

#include "agent/collectors/blocking/blocking_source.h"
#include "agent/tasks/task_desk.h"
#include "agent/tasks/task_worker.h"

namespace tocsin::agent {

/// Writes the samples of a round.
void fill_tasks(RoundSink& sink, const TasksSettings& settings, const TaskRound& round);

struct TaskSourceWorld {
  base::Executor& executor;  ///< The sampler's.
  const base::Clock& clock;
  base::FileSystem& files;     ///< Outlives what is made, and a call that hangs: the program's.
  base::FailureLog& failures;  ///< As files.
  std::shared_ptr<TaskWorker> worker;  ///< Null: tasks of the mode "run" do not begin.
  bool look_only = false;              ///< See TaskDesk::World.
};

/// Has one thread for the folders.
std::unique_ptr<AsyncSource> make_task_source(const TasksSettings& settings,
                                              const TaskSourceWorld& world);

}  // namespace tocsin::agent
