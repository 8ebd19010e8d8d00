// Verification and restore drill as what a task runs, and as what a person types.
//
//   [[task]]                          [[task]]
//   name = "backup_verify"            name = "restore_drill"
//   work = "backup_verify"            work = "restore_drill"
//   [task.options]                    [task.options]
//   sets = ["db"]                     set = "db"
//   level = "checksum"                target = "random"
#pragma once

#include <memory>
#include <vector>

#include "agent/backup/backup_settings.h"
#include "agent/backup/backup_state.h"
#include "agent/backup/scratch_cluster.h"
#include "agent/tasks/task_work.h"

namespace tocsin::agent {

/// "backup_verify" and "restore_drill", over the sets of the same configuration.
std::vector<TaskWorkKind> backup_work_kinds(const BackupSettings& settings);

/// What a command line asked for: `verify-backup FILE|SET [--level N]`, `restore-drill SET
/// [--target TIME] [--backup PATH]`.
struct BackupCommand {
  std::string verb{};
  std::string subject{};
  VerifyLevel level = VerifyLevel::Checksum;
  std::string target{};
  std::string backup{};  ///< Instead of the set's newest.
  std::string config{};
};

bool is_backup_command(std::string_view word);
/// Errors: InvalidArgument (what is wrong, with a hint).
base::Result<BackupCommand> parse_backup_command(const std::vector<std::string>& words);

/// Says on standard output whether a backup is good, and why not. Returns the exit status: 0 good,
/// 1 not.
int run_backup_command(const BackupCommand& command, const BackupSettings& settings,
                       base::FileSystem& files, const base::Clock& clock);

}  // namespace tocsin::agent
