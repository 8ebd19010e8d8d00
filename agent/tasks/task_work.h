// A built-in piece of work that a task of the mode "run" does: vacuum, reindex, verify a backup.
//
// The framework decides when (schedule, window, one at a time on a host), keeps the time, writes
// the outcome down and tells it as metrics. The work decides whether now is a good moment
// (pre-flight), does it, and brings evidence: numbers and a sentence, because an exit status proves
// nothing. It runs on the task thread and may block; it is made anew for each configuration.
//
//   [[task]]
//   name = "weekly_reindex"
//   work = "reindex_bloated"       # TaskWorkKind::name
//   [task.options]                 # read by TaskWorkKind::read
//   server = "main"
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/command_runner.h"
#include "common/base/file_system.h"
#include "common/base/result.h"
#include "common/config/table.h"

namespace tocsin::agent {

/// What a run gets from outside. Valid during the run only. Thread: the task thread.
struct TaskContext {
  std::string task;     ///< The `name` of the [[task]].
  bool dry_run = true;  ///< Look and say what would be done; change nothing.
  const base::Clock& clock;
  base::FileSystem& files;
  /// Runs a program and waits for it; its time-out is cut to what is left until the deadline, and
  /// its whole group is killed then. Errors: those of base::CommandRunner.
  std::function<base::Result<base::CommandResult>(base::Command)> run_command;
  base::MonotonicTime deadline;      ///< Of max_duration; stop by yourself before it.
  std::function<bool()> stop_asked;  ///< The agent ends: come to an end within a second or so.
  std::string state_folder;          ///< Of this agent's tasks; exists, mode 0700.

  base::Duration left() const {
    return std::chrono::duration_cast<base::Duration>(deadline - clock.monotonic());
  }
  /// Returns Timeout or Cancelled if the work has to stop now; call it between steps.
  base::Result<void> check() const {
    if (stop_asked && stop_asked()) {
      return base::error(base::ErrorCode::Cancelled, "the agent stops");
    }
    if (left() <= base::Duration::zero()) {
      return base::error(base::ErrorCode::Timeout, "max_duration is over");
    }
    return base::ok();
  }
};

/// That the moment was wrong. It is neither a success nor a failure: the dead-man clock runs on.
struct TaskSkip {
  std::string reason;  ///< A word for a label: "replica_lag", "load", "backup_running".
  std::string text;    ///< A sentence with the numbers: "replica lag is 95 s, limit 30 s".
};

/// How a run ended that did not end in an error. No personal data, no secrets in any of it.
struct TaskOutcome {
  std::optional<TaskSkip> skipped;
  /// What was done and how one can see it; at most a few lines, cut at 4 KiB.
  std::string evidence;
  /// Told as task_evidence{task,name}; at most 32. Base units: "saved_bytes", "tables_vacuumed".
  std::map<std::string, double> numbers;
};

/// One piece of work. Owner: the task thread; run() is called again for each due time.
class TaskWork {
 public:
  virtual ~TaskWork() = default;

  /// Does the work, or in a dry run says what it would do.
  ///
  /// Errors: the task has failed, for the reason in the message; what was changed before that is
  /// in the message too. Checks context.check() between steps.
  virtual base::Result<TaskOutcome> run(TaskContext& context) = 0;
};

/// A kind of work as the configuration names it.
struct TaskWorkKind {
  std::string_view name;  ///< The value of `work`: "reindex_bloated".
  /// Reads `[task.options]` (an empty table if there is none; finish() is called by the caller),
  /// reports mistakes there, and returns what makes the work.
  std::function<std::function<std::unique_ptr<TaskWork>()>(config::Table& options)> read;
};

}  // namespace tocsin::agent
