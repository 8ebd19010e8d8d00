// One look at all tasks of this host: records that came in, files that are watched, runs that are
// due. Keeps the state file.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/tasks/task_execution.h"
#include "agent/tasks/task_settings.h"
#include "agent/tasks/task_state.h"
#include "common/base/log.h"

namespace tocsin::agent {

/// What is told of one task.
struct TaskView {
  TaskState state;
  bool running = false;
  std::int64_t running_since_ms = 0;  ///< Of the oldest run.
};

struct TaskRound {
  std::map<std::string, TaskView> tasks;
  std::map<std::string, base::Error> failed;  ///< "inbox", "state", or "watch NAME".
  double records_refused = 0;                 ///< Since the start of the agent.
  std::optional<bool> audit_intact;           ///< None: there is no trail.
  double audit_lines = 0;
};

/// What is known of a file that may be evidence.
struct FileFact {
  std::int64_t modified_ms = 0;
  std::uint64_t bytes = 0;
  std::string path = {};
};

/// Returns the newest file that proves a success of a watched task: large enough, not changed for
/// `watch_settled`, and not from the future. Pure.
std::optional<FileFact> newest_evidence(const TaskSettings& task, std::span<const FileFact> files,
                                        base::WallTime now);

/// Thread: one at a time.
class TaskDesk {
 public:
  struct World {
    base::FileSystem& files;
    const base::Clock& clock;
    /// Begins a run and returns whether it could: false if one is under way. Null: nothing runs.
    std::function<bool(const TaskSettings&)> start;
    bool look_only = false;  ///< Changes nothing on disk: for `--once`, beside the running agent.
  };

  TaskDesk(TasksSettings settings, World world);

  TaskRound look();

 private:
  using Result = base::Result<void>;
  Result load();
  Result save();
  Result read_inbox(TaskRound& round);
  Result read_record(const std::string& name, TaskRound& round);
  Result take_ended(const RunRecord& record, const std::string& path);
  Result sign(const RunRecord& record, const std::string& path);
  Result watch(const TaskSettings& task);
  void start_due(TaskRound& round);

  TasksSettings settings_;
  World world_;
  TaskStates states_;
  std::string saved_;  ///< What the state file holds.
  bool loaded_ = false;
  std::vector<std::string> done_;  ///< Records to remove once the state is saved.
  double refused_ = 0;
  base::FailureLog refusals_{"agent/tasks"};
};

}  // namespace tocsin::agent
