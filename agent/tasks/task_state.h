// What the agent remembers of each task over restarts: one small file, and pure functions on it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "agent/tasks/task_record.h"
#include "common/base/result.h"
#include "common/base/time.h"

namespace tocsin::agent {

/// One task. Times in milliseconds since 1970; 0: never.
struct TaskState {
  std::int64_t registered_ms = 0;  ///< When this agent first knew of it.
  std::int64_t last_run_ms = 0;    ///< Begin of the last run that ended.
  std::int64_t last_end_ms = 0;
  std::int64_t last_success_ms = 0;  ///< End of the last run that succeeded.
  int last_exit = 0;
  bool last_ok = false;
  std::string last_reason;                ///< Why the last run was no success.
  std::int64_t handled_due_ms = 0;        ///< Of `run`: the last due time that was run or given up.
  std::map<std::string, double> skipped;  ///< Reason -> how often.
  std::map<std::string, double> numbers;  ///< Evidence of the last run.

  friend bool operator==(const TaskState&, const TaskState&) = default;
};

/// All tasks by name.
struct TaskStates {
  std::map<std::string, TaskState> tasks;

  friend bool operator==(const TaskStates&, const TaskStates&) = default;
};

/// Takes in a run that ended, or counts one that was skipped. Repeating a run that was not skipped
/// changes nothing; one that began before the last that is known moves `last_success` only.
void apply_run(TaskState& state, const RunRecord& record);

/// Counts a run that did not take place; at most 32 reasons are kept apart.
void count_skip(TaskState& state, const std::string& reason);

std::string encode_states(const TaskStates& states);
/// Errors: InvalidArgument.
base::Result<TaskStates> decode_states(std::string_view text);

}  // namespace tocsin::agent
