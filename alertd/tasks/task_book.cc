#include "alertd/tasks/task_book.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tocsin::tasks {
namespace {

using base::ErrorCode;

constexpr std::size_t kTasksMax = 20'000;
constexpr std::size_t kTasksOfHostMax = 500;
constexpr std::size_t kEvidenceMax = 32;
/// Parts of one round may come in several requests, and rounds are at most ten minutes apart.
constexpr std::int64_t kSameRoundMs = 15 * 60 * 1000;

std::int64_t to_milliseconds(double seconds) {
  constexpr double kFar = 4e12;  // beyond the year 9999; also keeps the conversion defined
  return static_cast<std::int64_t>(std::clamp(seconds * 1000.0, 0.0, kFar * 100));
}

template <class T>
bool assign(T& field, const T& value) {
  if (field == value) return false;
  field = value;
  return true;
}

bool assign_severity(model::Severity& field, std::string_view text) {
  return assign(field, model::parse_severity(text).value_or(field));
}

bool take_info(Task& task, const TaskSample& sample) {
  task.info_ms = std::max(task.info_ms, sample.timestamp_ms);
  task.mode = sample.mode;
  bool changed = assign(task.owner, std::string(sample.owner));
  changed |= assign_severity(task.on_missed, sample.on_missed);
  changed |= assign_severity(task.on_failed, sample.on_failed);
  changed |= assign_severity(task.on_overrun, sample.on_overrun);
  return changed;
}

void take_evidence(Task& task, const TaskSample& sample) {
  const std::string name(sample.name);
  if (std::isnan(sample.value)) {
    task.evidence.erase(name);
  } else if (task.evidence.size() < kEvidenceMax || task.evidence.contains(name)) {
    task.evidence[name] = sample.value;
  }
}

/// A time that an agent says, never later than now: a lying clock must not put the alarm off.
std::int64_t believable(const TaskSample& sample, base::WallTime now) {
  return std::min(to_milliseconds(sample.value), base::to_ms(now));
}

bool take_run(Task& task, const TaskSample& sample, base::WallTime now) {
  if (sample.metric == "task_running") return assign(task.running, sample.value != 0);
  if (sample.metric == "task_running_since_timestamp_seconds") {
    return assign(task.running_since_ms, believable(sample, now));
  }
  if (sample.metric == "task_last_run_timestamp_seconds") {
    return assign(task.run_ms, believable(sample, now));
  }
  if (sample.metric == "task_last_run_successful") {
    return assign(task.run_ok, std::optional(sample.value != 0));
  }
  return false;
}

bool take_terms(Task& task, const TaskSample& sample) {
  if (sample.metric == "task_info") return take_info(task, sample);
  if (sample.metric == "task_enabled") return assign(task.enabled, sample.value != 0);
  if (sample.metric == "task_max_age_seconds") {
    task.max_age_told_ms = sample.timestamp_ms;
    return assign(task.max_age_ms, to_milliseconds(sample.value));
  }
  if (sample.metric == "task_max_duration_seconds") {
    task.max_duration_told_ms = sample.timestamp_ms;
    return assign(task.max_duration_ms, to_milliseconds(sample.value));
  }
  return false;
}

/// A limit that the agent tells no more is no limit.
std::int64_t limit_in_force(std::int64_t limit_ms, std::int64_t told_ms, const Task& task) {
  const bool given_up = told_ms != 0 && task.info_ms - told_ms > kSameRoundMs;
  return given_up ? 0 : limit_ms;
}

std::int64_t since_of(const Task& task) {
  std::int64_t since = task.running ? task.running_since_ms : 0;
  if (task.beat_since_ms != 0) {
    since = since == 0 ? task.beat_since_ms : std::min(since, task.beat_since_ms);
  }
  return since;
}

bool is_failed(const Task& task) {
  const bool beat_is_newer = task.beat_end_ms >= task.run_ms;
  if (task.beat_end_ms != 0 && (beat_is_newer || !task.run_ok)) return !task.beat_ok;
  return task.run_ok && !*task.run_ok;
}

}  // namespace

Task* TaskBook::find_or_make(const TaskKey& key, base::WallTime now) {
  const auto found = tasks_.find(key);
  if (found != tasks_.end()) return &found->second;
  const auto of_host = std::count_if(tasks_.lower_bound({key.host, {}}), tasks_.end(),
                                     [&, over = false](const auto& one) mutable {
                                       over = over || one.first.host != key.host;
                                       return !over;
                                     });
  if (tasks_.size() >= kTasksMax || static_cast<std::size_t>(of_host) >= kTasksOfHostMax) {
    return nullptr;
  }
  Task task;
  task.registered_ms = base::to_ms(now);
  ++changes_;
  return &tasks_.emplace(key, std::move(task)).first->second;
}

bool TaskBook::take(const TaskSample& given, base::WallTime now) {
  const bool is_evidence = given.metric == "task_evidence";
  if (std::isnan(given.value) && !is_evidence) return true;
  // A clock that was ahead once must not make what comes later look old.
  TaskSample sample = given;
  sample.timestamp_ms = std::min(sample.timestamp_ms, base::to_ms(now));
  const TaskKey key{std::string(sample.host), std::string(sample.task)};
  // A task is known by its task_info; the rest of its samples wait for that.
  const bool is_info = sample.metric == "task_info";
  const auto found = tasks_.find(key);
  if (!is_info && found == tasks_.end()) return true;
  Task* task = is_info ? find_or_make(key, now) : &found->second;
  if (!task) return false;
  if (is_info) task->told_ms = base::to_ms(now);
  // A queue that is sent late must not undo what is known since.
  if (sample.timestamp_ms < task->info_ms) return true;
  if (is_evidence) take_evidence(*task, sample);
  bool changed = take_terms(*task, sample) || take_run(*task, sample, now);
  if (sample.metric == "task_last_success_timestamp_seconds") {
    changed |=
        assign(task->last_success_ms, std::max(task->last_success_ms, believable(sample, now)));
  }
  if (sample.metric == "task_registered_timestamp_seconds") {
    changed |=
        assign(task->registered_ms,
               std::min(task->registered_ms, std::max<std::int64_t>(believable(sample, now), 1)));
  }
  if (changed) ++changes_;
  return true;
}

base::Result<void> TaskBook::beat(const TaskKey& key, Beat beat, const BeatTerms& terms,
                                  base::WallTime now) {
  Task* task = find_or_make(key, now);
  if (!task) {
    return base::error(
        ErrorCode::LimitExceeded,
        fmt::format("there are {} tasks, of one host at most {}", tasks_.size(), kTasksOfHostMax));
  }
  ++changes_;
  const std::int64_t now_ms = base::to_ms(now);
  task->told_ms = now_ms;
  if (terms.max_age) task->max_age_ms = terms.max_age->count();
  if (terms.max_duration) task->max_duration_ms = terms.max_duration->count();
  if (terms.severity) task->on_missed = task->on_failed = task->on_overrun = *terms.severity;
  if (!terms.owner.empty()) task->owner = terms.owner;
  if (beat == Beat::Start) {
    if (task->beat_since_ms == 0) task->beat_since_ms = now_ms;
    return base::ok();
  }
  task->beat_since_ms = 0;
  task->beat_end_ms = now_ms;
  task->beat_ok = beat == Beat::Success;
  if (task->beat_ok) task->last_success_ms = std::max(task->last_success_ms, now_ms);
  return base::ok();
}

std::vector<Verdict> TaskBook::judge(base::WallTime now, bool frozen) {
  const std::int64_t now_ms = base::to_ms(now);
  std::vector<Verdict> verdicts;
  const auto settle = [&](bool& held, bool raised) {
    const bool next = raised && (held || !frozen);
    if (assign(held, next)) ++changes_;
  };
  for (auto& [key, task] : tasks_) {
    if (!task.enabled) continue;
    const std::int64_t max_duration =
        limit_in_force(task.max_duration_ms, task.max_duration_told_ms, task);
    Verdict verdict{&key, &task, task.last_success_ms == 0, 0};
    const std::int64_t from = verdict.never_succeeded ? task.registered_ms : task.last_success_ms;
    verdict.age_seconds = static_cast<double>(std::max<std::int64_t>(now_ms - from, 0)) / 1000.0;
    const std::int64_t due = due_ms(task);
    settle(task.overdue, due > 0 && now_ms > due);
    const std::int64_t since = since_of(task);
    settle(task.hung, max_duration > 0 && since > 0 && now_ms - since > max_duration);
    // What an agent says of a run needs no clock.
    if (assign(task.failed, is_failed(task))) ++changes_;
    verdicts.push_back(verdict);
  }
  return verdicts;
}

bool TaskBook::forget(const TaskKey& key) {
  const bool there = tasks_.erase(key) > 0;
  if (there) ++changes_;
  return there;
}

void TaskBook::forget_host(std::string_view host) {
  const std::size_t gone =
      std::erase_if(tasks_, [&](const auto& one) { return one.first.host == host; });
  if (gone > 0) ++changes_;
}

std::int64_t due_ms(const Task& task) {
  const std::int64_t max_age = limit_in_force(task.max_age_ms, task.max_age_told_ms, task);
  if (!task.enabled || max_age == 0) return 0;
  return max_age + (task.last_success_ms == 0 ? task.registered_ms : task.last_success_ms);
}

double level(bool raised, model::Severity severity) {
  return raised ? 1.0 + static_cast<double>(severity) : 0.0;
}

}  // namespace tocsin::tasks
