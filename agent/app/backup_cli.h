// `tocsin-agent verify-backup` and `tocsin-agent restore-drill`.
#pragma once

#include <string>
#include <vector>

#include "agent/backup/backup_work.h"

namespace tocsin::agent {

/// Runs the command, with the settings where they are needed. Returns the exit status: 0 good, 1
/// not good or not possible, 2 the command line is wrong.
int backup_main(const std::vector<std::string>& words);

}  // namespace tocsin::agent
