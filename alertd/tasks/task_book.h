// What the daemon remembers of every task of every host, and its verdicts: the dead-man clock.
//
// Agents tell what they know as task_* samples, programs without an agent by heartbeats over HTTP.
// Both are remembered here and judged by the daemon's own clock, so that the tasks of a host that
// is gone become overdue all the same. A verdict needs no sample to come: it needs one not to come.
//
// Pure apart from its own map: no clock, no IO.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/model/severity.h"

namespace tocsin::tasks {

/// Whose task it is.
struct TaskKey {
  std::string host;
  std::string task;
  friend auto operator<=>(const TaskKey&, const TaskKey&) = default;
};

/// One `task_*` sample of an agent.
struct TaskSample {
  std::string_view host = {};
  std::string_view task = {};
  std::string_view metric = {};
  double value = 0;  ///< NaN (a series that ended) says nothing.
  std::int64_t timestamp_ms = 0;
  std::string_view name = {};  ///< Of task_evidence.
  // Of task_info:
  std::string_view mode = {};
  std::string_view owner = {};
  std::string_view on_missed = {};
  std::string_view on_failed = {};
  std::string_view on_overrun = {};
};

enum class Beat { Start, Success, Failure };

/// What a heartbeat may say about the task beside that it happened; what is not there stays.
struct BeatTerms {
  std::optional<base::Duration> max_age;
  std::optional<base::Duration> max_duration;
  std::optional<model::Severity> severity;  ///< Of everything.
  std::string owner;
};

/// Times in milliseconds since 1970; 0: never, or not.
struct Task {
  std::string owner;
  model::Severity on_missed = model::Severity::Medium;
  model::Severity on_failed = model::Severity::Medium;
  model::Severity on_overrun = model::Severity::Medium;
  bool enabled = true;
  std::int64_t registered_ms = 0;
  std::int64_t told_ms = 0;  ///< When it was last heard of, by the daemon's clock.
  std::int64_t info_ms = 0;  ///< Timestamp of the agent's last task_info; 0: heartbeats only.
  std::int64_t max_age_ms = 0;
  std::int64_t max_age_told_ms = 0;
  std::int64_t max_duration_ms = 0;
  std::int64_t max_duration_told_ms = 0;
  std::int64_t last_success_ms = 0;
  // By the agent:
  bool running = false;
  std::int64_t running_since_ms = 0;
  std::int64_t run_ms = 0;
  std::optional<bool> run_ok;
  // By heartbeats:
  std::int64_t beat_since_ms = 0;
  std::int64_t beat_end_ms = 0;
  bool beat_ok = true;
  // Told again in every round of the agent, and so not kept on disk.
  std::string mode;                        ///< "watch", "report", ...; empty: not heard of.
  std::map<std::string, double> evidence;  ///< Numbers that the last run brought.
  // Verdicts, kept over restarts.
  bool overdue = false;
  bool hung = false;
  bool failed = false;

  friend bool operator==(const Task&, const Task&) = default;
};

/// What is told of a task at an instant. Levels: 0 no, 1 low, 2 medium, 3 high, 4 critical.
struct Verdict {
  const TaskKey* key = nullptr;
  const Task* task = nullptr;
  bool never_succeeded = false;
  double age_seconds = 0;  ///< Since the last success, else since it was registered.
};

/// Since when, and until when, a host was heard of without a break.
struct HeardHost {
  base::WallTime since;
  base::WallTime last;
};

/// Thread: one at a time.
class TaskBook {
 public:
  /// Takes a sample that came in at `now`. Returns false if there is no room for another task.
  bool take(const TaskSample& given, base::WallTime now);
  /// Errors: LimitExceeded (no room for another task).
  base::Result<void> beat(const TaskKey& key, Beat beat, const BeatTerms& terms,
                          base::WallTime now);

  /// Judges every enabled task. While `frozen` nothing new is raised. The views live until the next
  /// call that changes something.
  std::vector<Verdict> judge(base::WallTime now, bool frozen);

  /// Forgets a task; returns whether there was one.
  bool forget(const TaskKey& key);
  /// Forgets every task of a host.
  void forget_host(std::string_view host);
  /// Forgets tasks that their agent, heard of all the time, has not told of for 15 minutes: they
  /// are configured no more. `heard(host)` is a std::optional<HeardHost>. Returns them.
  template <class Heard>
  std::vector<TaskKey> forget_unconfigured(Heard heard);

  const std::map<TaskKey, Task>& tasks() const { return tasks_; }
  /// Replaces everything, at start.
  void restore(std::map<TaskKey, Task> tasks) { tasks_ = std::move(tasks); }
  /// Counts changes that should survive a restart soon; `told` times alone do not.
  std::uint64_t changes() const { return changes_; }

 private:
  Task* find_or_make(const TaskKey& key, base::WallTime now);

  std::map<TaskKey, Task> tasks_;
  std::uint64_t changes_ = 0;
};

/// How long a task may go untold by an agent that is heard.
inline constexpr base::Duration kUnconfiguredAfter = std::chrono::minutes(15);

template <class Heard>
std::vector<TaskKey> TaskBook::forget_unconfigured(Heard heard) {
  std::vector<TaskKey> gone;
  for (const auto& [key, task] : tasks_) {
    if (task.info_ms == 0) continue;
    const std::optional<HeardHost> host = heard(key.host);
    if (!host) continue;
    // After a silence the parts of the first round may come in any order.
    const base::WallTime from = std::max(base::wall_time(task.told_ms), host->since);
    if (host->last - from > kUnconfiguredAfter) gone.push_back(key);
  }
  for (const TaskKey& key : gone) forget(key);
  return gone;
}

/// When the task becomes overdue unless it succeeds before, in milliseconds since 1970; 0: no clock
/// runs for it.
std::int64_t due_ms(const Task& task);

/// Returns 0 for no, else 1 (low) to 4 (critical).
double level(bool raised, model::Severity severity);

}  // namespace tocsin::tasks
