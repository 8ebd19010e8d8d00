// The command line of tasks: `tocsin-agent run-task` and its like.
#pragma once

#include <string>
#include <vector>

#include "agent/tasks/task_commands.h"

namespace tocsin::agent {

/// Runs the command that `words` names first and returns its exit status; 2: wrong usage.
///
/// run-task and task-report do not need the configuration: who runs jobs may not be allowed to read
/// it. The default inbox, or --inbox, does then.
int task_main(const std::vector<std::string>& words);

}  // namespace tocsin::agent
