#include "agent/tasks/task_source.h"

#include <set>
#include <utility>

#include "agent/tasks/task_audit.h"

namespace tocsin::agent {
namespace {

using model::MetricType;

constexpr const char* kKey = "tasks";
constexpr base::Duration kTimeout{5'000};
constexpr base::Duration kAuditEvery = std::chrono::hours(1);

constexpr MetricInfo kInfo{"task_info", "A task of this host: its mode, owner and severities."};
constexpr MetricInfo kEnabled{"task_enabled", "0: of the mode run and not enabled."};
constexpr MetricInfo kDryRun{"task_dry_run", "1: it only says what it would do."};
constexpr MetricInfo kRegistered{"task_registered_timestamp_seconds",
                                 "When the agent first knew of the task."};
constexpr MetricInfo kMaxAge{"task_max_age_seconds",
                             "Age of the last success beyond which the task is overdue."};
constexpr MetricInfo kMaxDuration{"task_max_duration_seconds",
                                  "A run that is longer is called hung."};
constexpr MetricInfo kLastSuccess{"task_last_success_timestamp_seconds",
                                  "End of the last run that succeeded."};
constexpr MetricInfo kLastRun{"task_last_run_timestamp_seconds",
                              "Begin of the last run that ended."};
constexpr MetricInfo kLastExit{"task_last_exit_code",
                               "Exit status of the last run; -1 if it was killed."};
constexpr MetricInfo kLastOk{"task_last_run_successful",
                             "Whether the last run succeeded, with its evidence."};
constexpr MetricInfo kLastDuration{"task_last_duration_seconds", "How long the last run took."};
constexpr MetricInfo kRunning{"task_running", "1 while it runs."};
constexpr MetricInfo kRunningSince{"task_running_since_timestamp_seconds",
                                   "Begin of the run under way."};
constexpr MetricInfo kSkipped{"task_skipped_total", "Runs that did not take place, by reason.",
                              MetricType::Counter};
constexpr MetricInfo kEvidence{"task_evidence", "Numbers that the last run brought."};
constexpr MetricInfo kRefused{"task_records_refused_total",
                              "Records of runs that could not be used.", MetricType::Counter};
constexpr MetricInfo kAuditIntact{"task_audit_intact", "0: the audit trail was changed."};
constexpr MetricInfo kAuditLines{"task_audit_lines_total", "Lines of the audit trail so far.",
                                 MetricType::Counter};

double seconds(std::int64_t milliseconds) {
  return static_cast<double>(milliseconds) / 1000.0;
}

void fill_clock(RoundSink& sink, const TaskSettings& task, const TaskState& state,
                model::LabelView label) {
  sink.add(kRegistered, {label}, seconds(state.registered_ms));
  const base::Duration age = task.expect_every + task.grace;
  if (task.expect_every > base::Duration::zero()) sink.add(kMaxAge, {label}, seconds(age.count()));
  if (task.max_duration > base::Duration::zero()) {
    sink.add(kMaxDuration, {label}, seconds(task.max_duration.count()));
  }
}

void fill_state(RoundSink& sink, const TaskView& view, model::LabelView label) {
  const TaskState& state = view.state;
  sink.add(kRunning, {label}, view.running ? 1 : 0);
  if (view.running) sink.add(kRunningSince, {label}, seconds(view.running_since_ms));
  if (state.last_success_ms > 0) sink.add(kLastSuccess, {label}, seconds(state.last_success_ms));
  for (const auto& [reason, count] : state.skipped) {
    sink.add(kSkipped, {label, {"reason", reason}}, count);
  }
  if (state.last_run_ms == 0) return;
  sink.add(kLastRun, {label}, seconds(state.last_run_ms));
  sink.add(kLastExit, {label}, state.last_exit);
  sink.add(kLastOk, {label, {"reason", state.last_reason}}, state.last_ok ? 1 : 0);
  sink.add(kLastDuration, {label}, seconds(state.last_end_ms - state.last_run_ms));
  for (const auto& [name, value] : state.numbers)
    sink.add(kEvidence, {label, {"name", name}}, value);
}

/// What the thread of the source owns.
class Reader {
 public:
  Reader(const TasksSettings& settings, const TaskSourceWorld& world)
      : settings_(settings),
        clock_(world.clock),
        files_(world.files),
        audit_(world.files, settings.state_folder),
        desk_(settings,
              {world.files, world.clock, starter(settings, world.worker), world.look_only}) {}

  TaskRound read() {
    TaskRound round = desk_.look();
    if (files_.exists(base::join_path(settings_.state_folder, "audit.log"))) check_audit(round);
    return round;
  }

 private:
  static std::function<bool(const TaskSettings&)> starter(
      const TasksSettings& settings, const std::shared_ptr<TaskWorker>& worker) {
    if (!worker) return nullptr;
    return [settings, worker](const TaskSettings& task) { return worker->start(task, settings); };
  }

  void check_audit(TaskRound& round) {
    const base::MonotonicTime now = clock_.monotonic();
    if (!checked_ || now - *checked_ > kAuditEvery) {
      // Not while a run writes to it.
      if (const auto lock = RunLock::take(settings_.state_folder)) {
        checked_ = now;
        head_ = audit_.check();
      }
    }
    if (!head_) return;
    round.audit_intact = head_->has_value();
    if (*head_) round.audit_lines = static_cast<double>((*head_)->lines);
    if (!*head_) round.failed.emplace("audit", head_->error());
  }

  TasksSettings settings_;
  const base::Clock& clock_;
  const base::FileSystem& files_;
  TaskAudit audit_;
  TaskDesk desk_;
  std::optional<base::MonotonicTime> checked_;
  std::optional<base::Result<AuditHead>> head_;
};

}  // namespace

void fill_tasks(RoundSink& sink, const TasksSettings& settings, const TaskRound& round) {
  for (const TaskSettings& task : settings.tasks) {
    const model::LabelView label{"task", task.name};
    sink.add(kInfo,
             {label,
              {"mode", to_string(task.mode)},
              {"owner", task.owner},
              {"on_missed", model::to_string(task.on_missed)},
              {"on_failed", model::to_string(task.on_failed)},
              {"on_overrun", model::to_string(task.on_overrun)}},
             1);
    sink.add(kEnabled, {label}, task.enabled ? 1 : 0);
    const bool dry = task.mode == TaskMode::Run && task.dry_run;
    if (task.mode == TaskMode::Run) sink.add(kDryRun, {label}, dry ? 1 : 0);
    const auto view = round.tasks.find(task.name);
    if (view == round.tasks.end()) continue;  // the state could not be read
    // Nobody waits for what is switched off, or only looks.
    if (task.enabled && !dry) fill_clock(sink, task, view->second.state, label);
    fill_state(sink, view->second, label);
  }
  sink.add(kRefused, round.records_refused);
  if (round.audit_intact) {
    sink.add(kAuditIntact, *round.audit_intact ? 1 : 0);
    if (*round.audit_intact) sink.add(kAuditLines, round.audit_lines);
  }
  for (const auto& [what, error] : round.failed) add_check_failed(sink, kKey, what, error);
}

std::unique_ptr<AsyncSource> make_task_source(const TasksSettings& settings,
                                              const TaskSourceWorld& world) {
  const auto filled = [settings, &failures = world.failures,
                       told = std::make_shared<std::set<std::string>>()](TaskRound round) -> Fill {
    for (const auto& [what, error] : round.failed) {
      failures.report("tasks, " + what, error.message);
      told->insert(what);
    }
    std::erase_if(*told, [&](const std::string& what) {
      if (round.failed.contains(what)) return false;
      failures.clear("tasks, " + what);
      return true;
    });
    return [settings, round = std::move(round)](RoundSink& sink) {
      fill_tasks(sink, settings, round);
    };
  };
  BlockingSource::Reading reading;
  reading.timeout = kTimeout;
  reading.read = [filled, reader = std::make_shared<Reader>(settings, world)] {
    return filled(reader->read());
  };
  reading.down = [filled](const base::Error& why) {
    TaskRound round;  // that the tasks exist is told all the same
    round.failed.emplace("folders", why);
    return filled(std::move(round));
  };
  return std::make_unique<BlockingSource>(kKey, "tasks", std::move(reading),
                                          BlockingSource::World{world.executor, world.clock});
}

}  // namespace tocsin::agent
