// `[tasks]` and `[[task]]` of agent.toml: what has to happen on this host, and what is done here.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/tasks/cron.h"
#include "agent/tasks/evidence_rows.h"
#include "agent/tasks/task_work.h"
#include "common/base/time.h"
#include "common/config/table.h"
#include "common/model/severity.h"
#include "common/timezone/hours.h"

namespace tocsin::agent {

/// Where records of runs come in if nothing else is said: the package creates it for the group
/// tocsin-tasks.
inline constexpr const char* kDefaultTaskInbox = "/var/lib/tocsin/tasks";

enum class TaskMode {
  Watch,   ///< A file that a run leaves behind is the evidence.
  Report,  ///< The run tells: the wrapper, `task-report`, or a heartbeat over HTTP.
  Run,     ///< The agent does built-in work.
  Attest,  ///< A person says so: `task-report`.
};

/// Returns "watch", "report", "run" or "attest".
std::string_view to_string(TaskMode mode);

/// One `[[task]]`.
struct TaskSettings {
  std::string name;   ///< The label `task`; letters, digits, '_', '-', '.'; at most 64.
  std::string owner;  ///< The label `owner`, for routes; may be empty.
  TaskMode mode = TaskMode::Report;
  bool enabled = true;  ///< Default of `run`: false.
  bool dry_run = true;  ///< Of `run` only.
  std::optional<Cron> schedule;
  timezone::Zone zone;  ///< Of schedule and window.
  std::vector<timezone::Hours> window;
  base::Duration expect_every{0};  ///< 0: no dead-man clock.
  base::Duration grace{0};
  base::Duration max_duration{0};  ///< 0: none; of `run` always set.
  model::Severity on_missed = model::Severity::Medium;
  model::Severity on_failed = model::Severity::Medium;
  model::Severity on_overrun = model::Severity::Medium;
  std::string watch_file;  ///< Of `watch`: absolute; wildcards in its last part.
  std::uint64_t watch_bytes_min = 1;
  RowTerms watch_rows;
  base::Duration watch_settled{60'000};  ///< Younger files may still be written.
  std::string work;                      ///< Of `run`: TaskWorkKind::name.
  std::function<std::unique_ptr<TaskWork>()> make_work;
};

struct TasksSettings {
  std::string inbox = kDefaultTaskInbox;
  std::string state_folder;  ///< Of the agent alone.
  std::vector<TaskSettings> tasks;

  bool any() const { return !tasks.empty(); }
};

/// Reads both tables; `state_folder` is the default of [tasks] state.
TasksSettings read_tasks_settings(config::Table& root, std::span<const TaskWorkKind> kinds,
                                  const std::string& state_folder);

/// Returns whether this can be the name of a task.
bool is_task_name(std::string_view name);

/// Parses "Sun 02:00-04:00", "mon-fri 22:00-06:00" or "02:00-04:00". Errors: InvalidArgument.
base::Result<timezone::Hours> parse_window(std::string_view text);

}  // namespace tocsin::agent
