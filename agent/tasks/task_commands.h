// What a person or a cron line types: `tocsin-agent run-task`, `task-report`, `task-run`,
// `task-pause`, `task-audit`.
//
//   15 1 * * *  tocsin-agent run-task backup_db --evidence-file /backups/db.dump -- /opt/backup.sh
//
// The first two write records into the inbox and work whether or not the agent runs; the last three
// need the agent's own folder, so its user or root.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/tasks/task_settings.h"
#include "common/base/clock.h"
#include "common/base/file_system.h"

namespace tocsin::agent {

struct CommandWorld {
  base::FileSystem& files;
  const base::Clock& clock;
};

/// Returns whether `word` is one of these commands.
bool is_task_command(std::string_view word);

/// The part of a command line: `run-task NAME [options] -- command args...`.
struct TaskCommand {
  std::string verb;
  std::string task;
  std::vector<std::string> evidence_files;  ///< Of run-task: each must be new and not empty.
  RowTerms evidence_rows;                   ///< Of run-task: of each of the files.
  std::vector<std::string> command;         ///< Of run-task, after `--`.
  std::string inbox;                        ///< Instead of the configured one.
  std::string note;                         ///< Of task-report.
  std::string config;
  bool ok = false;       ///< Of task-report.
  bool failed = false;   ///< Of task-report.
  bool off = false;      ///< Of task-pause.
  bool dry_run = false;  ///< Of task-run.
};

/// Errors: InvalidArgument (what is wrong, with a hint).
base::Result<TaskCommand> parse_task_command(const std::vector<std::string>& words);

/// Runs the command between two lines of a record and returns its exit status: 127 if it was not
/// found, 126 if it cannot be run, 128 + N if the signal N ended it. What goes wrong with the
/// record is said on standard error and changes nothing. `settings` null: unreadable here.
int run_task(const TaskCommand& command, const TasksSettings* settings, const CommandWorld& world);

/// Returns the exit status: 0 if written.
int report_task(const TaskCommand& command, const TasksSettings* settings,
                const CommandWorld& world);

/// Runs built-in work now, whatever its schedule; a task that is not enabled only dry. Returns 0 if
/// it succeeded, 1 if it failed, 3 if it was skipped.
int run_work_now(const TaskCommand& command, const TasksSettings& settings,
                 const CommandWorld& world);

/// Keeps every run from beginning, until `--off`.
int pause_tasks(const TaskCommand& command, const TasksSettings& settings,
                const CommandWorld& world);

/// Checks the audit trail. Returns 0 if it is whole.
int check_audit_trail(const TasksSettings& settings, const CommandWorld& world);

}  // namespace tocsin::agent
