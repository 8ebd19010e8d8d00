// When a task of the mode "run" begins: a pure decision.
#pragma once

#include <string>

#include "agent/tasks/task_settings.h"
#include "agent/tasks/task_state.h"

namespace tocsin::agent {

/// How late a run without a window may begin, for instance because the agent was down.
inline constexpr base::Duration kStartLatest = std::chrono::hours(1);

struct DueDecision {
  enum class What {
    Wait,    ///< Nothing is due.
    Start,   ///< Now.
    GiveUp,  ///< It was due and cannot begin any more, or not here: `reason`.
  };
  What what = What::Wait;
  std::int64_t due_ms = 0;  ///< Of Start and GiveUp: noted as handled.
  std::string reason;       ///< "window" or "late".
};

/// Decides for the latest due time at or before `now`; earlier ones are not caught up with.
DueDecision decide_due(const TaskSettings& task, const TaskState& state, base::WallTime now);

}  // namespace tocsin::agent
