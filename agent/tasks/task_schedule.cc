#include "agent/tasks/task_schedule.h"

#include <algorithm>

namespace tocsin::agent {
namespace {

constexpr base::Duration kLookBack = std::chrono::hours(24 * 8);
constexpr base::Duration kAhead = std::chrono::hours(24);

}  // namespace

DueDecision decide_due(const TaskSettings& task, const TaskState& state, base::WallTime now) {
  using What = DueDecision::What;
  if (!task.schedule || !task.enabled) return {};
  // A clock that was far ahead once must not keep the task from running until then.
  base::WallTime after = base::wall_time(std::max(state.handled_due_ms, state.registered_ms));
  if (after > now + kAhead) after = now;
  after = std::max(after, now - kLookBack);
  std::optional<base::WallTime> due;
  while (const auto next = task.schedule->next(task.zone, after)) {
    if (*next > now) break;
    due = after = *next;
  }
  if (!due) return {};
  const std::int64_t due_ms = base::to_ms(*due);
  if (!task.window.empty()) {
    if (timezone::covers(task.window, task.zone, now)) return {What::Start, due_ms, {}};
    return {What::GiveUp, due_ms, "window"};
  }
  if (now - *due > kStartLatest) return {What::GiveUp, due_ms, "late"};
  return {What::Start, due_ms, {}};
}

}  // namespace tocsin::agent
