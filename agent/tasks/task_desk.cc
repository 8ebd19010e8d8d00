#include "agent/tasks/task_desk.h"

#include <fmt/format.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include <algorithm>

#include "agent/tasks/task_audit.h"
#include "agent/tasks/task_schedule.h"
#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;

namespace {

constexpr std::size_t kStateBytesMax = 4 << 20;
constexpr std::size_t kRecordsMax = 1'000;   ///< Read in one round.
constexpr std::size_t kWatchedMax = 20'000;  ///< Files in a folder that are looked at.
constexpr base::Duration kTornRecord = std::chrono::minutes(10);
constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr mode_t kMode = 0600;

std::string state_path(const TasksSettings& settings) {
  return base::join_path(settings.state_folder, "state.json");
}

}  // namespace

std::optional<FileFact> newest_evidence(const TaskSettings& task, std::span<const FileFact> files,
                                        base::WallTime now) {
  // What is still being written proves nothing; nor does a time that has not come.
  const std::int64_t latest_ms = base::to_ms(now - task.watch_settled);
  std::optional<FileFact> newest;
  for (const FileFact& file : files) {
    if (file.bytes < task.watch_bytes_min || file.modified_ms > latest_ms) continue;
    if (!newest || file.modified_ms > newest->modified_ms) newest = file;
  }
  return newest;
}

TaskDesk::TaskDesk(TasksSettings settings, World world)
    : settings_(std::move(settings)), world_(std::move(world)) {}

base::Result<void> TaskDesk::load() {
  if (loaded_) return base::ok();
  if (!world_.look_only) TC_TRY(world_.files.create_folders(settings_.state_folder));
  const std::string path = state_path(settings_);
  if (world_.files.exists(path)) {
    TC_TRY(saved_, world_.files.read(path, kStateBytesMax));
    auto states = decode_states(saved_);
    if (states) {
      states_ = std::move(*states);
    } else {
      // Whatever it was: the clocks of the daemon go on, and the tasks are registered anew.
      base::log_error("agent/tasks", "{}: {}; it is put aside", path, states.error().message);
      if (!world_.look_only) TC_TRY(world_.files.rename(path, path + ".damaged"));
    }
  }
  loaded_ = true;
  return base::ok();
}

base::Result<void> TaskDesk::save() {
  if (world_.look_only) return base::ok();
  const std::string text = encode_states(states_);
  if (text != saved_) {
    TC_TRY(world_.files.write_atomic(state_path(settings_), text, kMode));
    saved_ = text;
  }
  // Not before: a record that is gone must be in the state.
  for (const std::string& path : done_) {
    if (const auto removed = world_.files.remove(path);
        !removed && removed.error().code != ErrorCode::NotFound) {
      refusals_.report("removing records", removed.error().message);
    }
  }
  done_.clear();
  return base::ok();
}

// What a person says goes into the audit trail, with the owner of the file: that is the kernel's
// word, not the record's.
base::Result<void> TaskDesk::sign(const RunRecord& record, const std::string& path) {
  struct stat status = {};
  const std::string who = ::stat(path.c_str(), &status) == 0 ? fmt::format("user {}", status.st_uid)
                                                             : std::string("an unknown user");
  const std::string text = fmt::format("{}, by {}{}{}", record.end->ok ? "ok" : "failed", who,
                                       record.end->note.empty() ? "" : ": ", record.end->note);
  TC_TRY(const RunLock lock, RunLock::take(settings_.state_folder));
  TC_TRY(TaskAudit(world_.files, settings_.state_folder)
             .append({record.task, "attested", text}, world_.clock.wall()));
  base::log_info("agent/tasks", "task '{}' attested: {}", record.task, text);
  return base::ok();
}

base::Result<void> TaskDesk::take_ended(const RunRecord& record, const std::string& path) {
  const auto task = std::find_if(settings_.tasks.begin(), settings_.tasks.end(),
                                 [&](const auto& one) { return one.name == record.task; });
  const bool attested = task != settings_.tasks.end() && task->mode == TaskMode::Attest;
  if (attested && !world_.look_only) {
    TC_TRY(sign(record, path));
  }
  apply_run(states_.tasks[record.task], record);
  done_.push_back(path);
  return base::ok();
}

base::Result<void> TaskDesk::read_record(const std::string& name, TaskRound& round) {
  const std::string path = base::join_path(settings_.inbox, name);
  TC_TRY(const std::string text, world_.files.read(path, kRecordBytesMax));
  auto record = decode_record(text);
  if (!record) {
    const auto modified = world_.files.modified_ns(path);
    const std::int64_t now_ms = base::to_ms(world_.clock.wall());
    const bool fresh = modified && now_ms - *modified / kNsPerMs < kTornRecord.count();
    if (record.error().code == ErrorCode::Unavailable && fresh) return base::ok();
    return base::error(ErrorCode::InvalidArgument, record.error().message);
  }
  if (!round.tasks.contains(record->task)) {
    return base::error(ErrorCode::NotFound,
                       fmt::format("no [[task]] is called '{}'", record->task));
  }
  if (record->end) return take_ended(*record, path);
  if (look_for(record->process, world_.files) == ProcessState::Gone) {
    // Read again: it may have written its end and gone between the two looks.
    const auto again = world_.files.read(path, kRecordBytesMax);
    if (auto ended = again ? decode_record(*again) : record; ended && ended->end) {
      return take_ended(*ended, path);
    }
    RunEnd lost;
    lost.ended_ms = std::max(base::to_ms(world_.clock.wall()), record->started_ms);
    lost.exit_status = -1;
    lost.reason = "lost";
    record->end = std::move(lost);
    return take_ended(*record, path);
  }
  TaskView& view = round.tasks[record->task];
  view.running_since_ms =
      view.running ? std::min(view.running_since_ms, record->started_ms) : record->started_ms;
  view.running = true;
  return base::ok();
}

base::Result<void> TaskDesk::read_inbox(TaskRound& round) {
  if (!world_.look_only && !world_.files.exists(settings_.inbox)) {
    if (auto made = world_.files.create_folders(settings_.inbox); !made) {
      made.error().message += fmt::format(
          "; create it: install -d -m 1730 -o tocsin-agent -g tocsin-tasks {}", settings_.inbox);
      return made.error();
    }
  }
  TC_TRY(const std::vector<std::string> names, world_.files.list(settings_.inbox));
  std::size_t read = 0;
  for (const std::string& name : names) {
    if (!name.ends_with(kRecordSuffix)) continue;
    if (++read > kRecordsMax) break;
    const auto taken = read_record(name, round);
    if (taken) continue;
    const ErrorCode code = taken.error().code;
    if (code == ErrorCode::Unavailable) continue;  // a task runs: signed in a later round
    const bool lasting = code == ErrorCode::InvalidArgument || code == ErrorCode::NotFound ||
                         code == ErrorCode::LimitExceeded;
    if (!lasting) {
      round.failed.insert_or_assign("records", taken.error());
      continue;
    }
    ++refused_;
    refusals_.report(
        "record of a run",
        fmt::format("{}: {}; it is removed", base::escape_control(name), taken.error().message));
    done_.push_back(base::join_path(settings_.inbox, name));
  }
  return base::ok();
}

// The time of the evidence is the time of the success.
base::Result<void> TaskDesk::watch(const TaskSettings& task) {
  const std::size_t slash = task.watch_file.rfind('/');
  const std::string folder = task.watch_file.substr(0, std::max<std::size_t>(slash, 1));
  const std::string pattern = task.watch_file.substr(slash + 1);
  TC_TRY(const std::vector<std::string> names, world_.files.list(folder));
  std::vector<FileFact> facts;
  for (const std::string& name : names) {
    if (::fnmatch(pattern.c_str(), name.c_str(), FNM_PERIOD) != 0) continue;
    if (facts.size() == kWatchedMax) {
      return base::error(ErrorCode::LimitExceeded,
                         fmt::format("more than {} files match {}", kWatchedMax, task.watch_file));
    }
    const std::string path = base::join_path(folder, name);
    const auto modified = world_.files.modified_ns(path);
    const auto size = world_.files.size(path);
    if (modified && size) facts.push_back({*modified / kNsPerMs, *size, path});  // else it is gone
  }
  TaskState& state = states_.tasks[task.name];
  const auto newest = newest_evidence(task, facts, world_.clock.wall());
  if (!newest || newest->modified_ms <= state.last_success_ms) return base::ok();
  // A file that was found wanting is not read again.
  if (!state.last_ok && newest->modified_ms == state.last_end_ms) return base::ok();
  RunRecord record{task.name, newest->modified_ms, {}, RunEnd{}};
  record.end->ended_ms = newest->modified_ms;
  record.end->ok = true;
  record.end->numbers["evidence_bytes"] = static_cast<double>(newest->bytes);
  if (task.watch_rows.rows_min > 0) {
    TC_TRY(const auto rows, count_rows(world_.files, newest->path, task.watch_rows));
    record.end->numbers["evidence_rows"] = static_cast<double>(rows);
    record.end->ok = rows >= task.watch_rows.rows_min;
    if (!record.end->ok) {
      record.end->reason = "few_rows";
      base::log_warning("agent/tasks", "task '{}': {} has {} rows, {} are needed", task.name,
                        newest->path, rows, task.watch_rows.rows_min);
    }
  }
  apply_run(state, record);
  return base::ok();
}

void TaskDesk::start_due(TaskRound& round) {
  const base::WallTime now = world_.clock.wall();
  for (const TaskSettings& task : settings_.tasks) {
    if (task.mode != TaskMode::Run || !world_.start) continue;
    TaskState& state = states_.tasks[task.name];
    const DueDecision decision = decide_due(task, state, now);
    if (decision.what == DueDecision::What::Wait) continue;
    if (decision.what == DueDecision::What::Start) {
      // Noted before it begins: a run that kills the agent must not begin again and again.
      const TaskState before = state;
      state.handled_due_ms = decision.due_ms;
      if (const auto saved = save(); !saved) {
        state = before;
        round.failed.insert_or_assign("state", saved.error());
        return;
      }
      if (!world_.start(task)) state = before;  // another one runs: later
      continue;
    }
    state.handled_due_ms = decision.due_ms;
    count_skip(state, decision.reason);
    base::log_warning("agent/tasks", "task '{}' was due at {} and did not run: {}", task.name,
                      base::format_rfc3339(base::wall_time(decision.due_ms)), decision.reason);
  }
}

TaskRound TaskDesk::look() {
  TaskRound round;
  if (const auto loaded = load(); !loaded) {
    round.failed.emplace("state", loaded.error());
    return round;
  }
  const std::int64_t now_ms = base::to_ms(world_.clock.wall());
  for (const TaskSettings& task : settings_.tasks) {
    TaskState& state = states_.tasks[task.name];
    if (state.registered_ms == 0) state.registered_ms = now_ms;
    round.tasks.try_emplace(task.name);
  }
  // A task that is configured no more is forgotten; if it comes back it is new.
  std::erase_if(states_.tasks, [&](const auto& one) { return !round.tasks.contains(one.first); });
  if (const auto read = read_inbox(round); !read) round.failed.emplace("inbox", read.error());
  for (const TaskSettings& task : settings_.tasks) {
    if (task.mode != TaskMode::Watch) continue;
    if (const auto watched = watch(task); !watched) {
      round.failed.emplace("watch " + task.name, watched.error());
    }
  }
  start_due(round);
  if (const auto saved = save(); !saved) round.failed.insert_or_assign("state", saved.error());
  for (auto& [name, view] : round.tasks) view.state = states_.tasks[name];
  round.records_refused = refused_;
  return round;
}

}  // namespace tocsin::agent
