// One run of built-in work, with everything around it: one at a time on a host, the pause switch,
// the audit trail, the record that the agent reads. Used by the schedule and by `task-run`.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "agent/tasks/task_settings.h"
#include "common/base/clock.h"
#include "common/base/file_system.h"

namespace tocsin::agent {

/// Holds `run.lock` of a folder until destroyed; the kernel gives it up with the process.
class RunLock {
 public:
  /// Errors: Unavailable (somebody else has it), Io.
  static base::Result<RunLock> take(const std::string& folder);
  RunLock(RunLock&& other) noexcept;
  RunLock& operator=(RunLock&&) = delete;
  ~RunLock();

 private:
  explicit RunLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

/// Name of the file in the state folder that keeps all runs from beginning.
inline constexpr const char* kPauseFile = "paused";

struct ExecutionWorld {
  base::FileSystem& files;
  const base::Clock& clock;
  std::string inbox;
  std::string state_folder;
  std::shared_ptr<const std::atomic<bool>> stop;  ///< Null: nobody asks to stop.
};

/// How it ended, for whoever stands before a terminal.
struct ExecutionReport {
  enum class How { Succeeded, Failed, Skipped };
  How how = How::Failed;
  std::string text;  ///< Evidence, or why not.
};

/// Runs `task.make_work()` to its end. Blocking; may take max_duration.
ExecutionReport execute_task(const TaskSettings& task, bool dry_run, const ExecutionWorld& world);

/// A new file name for a record of `task`: unlikely to be guessed or to be there already.
std::string record_path(const std::string& inbox, const std::string& task);

/// Appends a line of a record. Errors: Io, PermissionDenied (says which group is needed), NotFound.
base::Result<void> append_record(base::FileSystem& files, const std::string& path,
                                 const std::string& line);

}  // namespace tocsin::agent
