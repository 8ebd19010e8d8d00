// Running a program and waiting for it, from a thread that may wait.
#pragma once

#include "common/base/command_runner.h"

namespace tocsin::agent {

/// Errors: those of base::CommandRunner. Not from one of the runner's own threads.
base::Result<base::CommandResult> call_command(base::CommandRunner& runner,
                                               const base::Clock& clock, base::Command command);

}  // namespace tocsin::agent
