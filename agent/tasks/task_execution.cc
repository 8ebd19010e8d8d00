#include "agent/tasks/task_execution.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "agent/tasks/task_audit.h"
#include "agent/tasks/task_record.h"
#include "common/base/log.h"
#include "common/base/mutex.h"
#include "common/base/random.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

constexpr const char* kLog = "agent/tasks";
constexpr std::size_t kEvidenceMax = 4096;
constexpr std::size_t kNumbersMax = 32;
constexpr mode_t kRecordMode = 0644;

/// Runs what is posted at once, on the poster's thread.
class DirectExecutor final : public base::Executor {
 public:
  explicit DirectExecutor(const base::Clock& clock) : clock_(clock) {}
  void post(base::Task task) override { task(); }
  base::TimerId post_at(base::MonotonicTime, base::Task) override { return 0; }
  void cancel(base::TimerId) override {}
  bool running_here() const override { return true; }
  const base::Clock& clock() const override { return clock_; }

 private:
  const base::Clock& clock_;
};

/// Runs programs one after the other and waits for each; its thread exists once one was asked for.
class Commands {
 public:
  explicit Commands(const base::Clock& clock) : clock_(clock), direct_(clock) {}

  Result<base::CommandResult> run(base::Command command, base::Duration left) {
    if (!runner_) runner_ = base::make_command_runner(clock_, 1, 1);
    command.timeout = std::min(command.timeout, std::max(left, base::Duration{1}));
    std::optional<Result<base::CommandResult>> result;
    base::Mutex mutex;
    base::Condition answered;
    runner_->run(std::move(command), direct_, [&](Result<base::CommandResult> got) {
      const base::MutexLock lock(mutex);
      result = std::move(got);
      answered.notify_all();
    });
    const base::MutexLock lock(mutex);
    answered.wait(mutex, [&] { return result.has_value(); });
    return std::move(*result);
  }

 private:
  const base::Clock& clock_;
  DirectExecutor direct_;
  std::unique_ptr<base::CommandRunner> runner_;
};

RunEnd end_of(const Result<TaskOutcome>& outcome, bool dry_run, base::WallTime now) {
  RunEnd end;
  end.ended_ms = base::to_ms(now);
  if (!outcome) {
    end.exit_status = 1;
    end.reason = std::string(base::to_string(outcome.error().code));
    return end;
  }
  if (outcome->skipped) {
    end.skipped = outcome->skipped->reason;
    return end;
  }
  for (const auto& [name, value] : outcome->numbers) {
    if (end.numbers.size() < kNumbersMax) end.numbers.emplace(name, value);
  }
  // What was only looked at has not been done.
  if (dry_run) {
    end.skipped = "dry_run";
  } else {
    end.ok = true;
  }
  return end;
}

ExecutionReport report_of(const Result<TaskOutcome>& outcome) {
  using How = ExecutionReport::How;
  if (!outcome) return {How::Failed, outcome.error().message.substr(0, kEvidenceMax)};
  if (outcome->skipped) {
    return {How::Skipped, fmt::format("{}: {}", outcome->skipped->reason, outcome->skipped->text)};
  }
  return {How::Succeeded, outcome->evidence.substr(0, kEvidenceMax)};
}

Result<TaskOutcome> run_work(const TaskSettings& task, bool dry_run, const ExecutionWorld& world) {
  const auto commands = std::make_shared<Commands>(world.clock);
  const base::MonotonicTime deadline = world.clock.monotonic() + task.max_duration;
  TaskContext context{
      .task = task.name,
      .dry_run = dry_run,
      .clock = world.clock,
      .files = world.files,
      .run_command = {},
      .deadline = deadline,
      .stop_asked = [stop = world.stop] { return stop && stop->load(); },
      .state_folder = world.state_folder,
  };
  context.run_command = [&context, commands](base::Command command) {
    return commands->run(std::move(command), context.left());
  };
  return task.make_work()->run(context);
}

const char* event_of(const Result<TaskOutcome>& outcome, bool dry_run) {
  if (!outcome) return "failed";
  if (outcome->skipped) return "skipped";
  return dry_run ? "dry_run" : "end";
}

ExecutionReport skipped(std::string text) {
  return {ExecutionReport::How::Skipped, std::move(text)};
}

}  // namespace

Result<RunLock> RunLock::take(const std::string& folder) {
  const std::string path = base::join_path(folder, "run.lock");
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    return base::error(ErrorCode::Io, fmt::format("cannot open '{}': {}", path,
                                                  std::generic_category().message(errno)));
  }
  RunLock lock(descriptor);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return lock;
  const bool held = errno == EWOULDBLOCK;
  return base::error(
      held ? ErrorCode::Unavailable : ErrorCode::Io,
      held ? "another task runs on this host" : fmt::format("cannot lock '{}'", path));
}

RunLock::RunLock(RunLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

RunLock::~RunLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::string record_path(const std::string& inbox, const std::string& task) {
  return base::join_path(
      inbox, fmt::format("{}.{}{}", task, base::make_real_random()->hex(8), kRecordSuffix));
}

Result<void> append_record(base::FileSystem& files, const std::string& path,
                           const std::string& line) {
  auto file = files.open_append(path, kRecordMode);
  if (!file) {
    base::Error error = file.error();
    if (error.code == ErrorCode::PermissionDenied) {
      error.message += "; whoever runs tasks needs the group tocsin-tasks";
    }
    return error;
  }
  TC_TRY((*file)->append(line));
  return (*file)->sync();
}

ExecutionReport execute_task(const TaskSettings& task, bool dry_run, const ExecutionWorld& world) {
  TaskAudit audit(world.files, world.state_folder);
  const std::string path = record_path(world.inbox, task.name);
  RunRecord record{task.name, base::to_ms(world.clock.wall()), mark_self(world.files), {}};
  const auto fail = [&](const base::Error& error) {
    base::log_error(kLog, "task '{}': {}", task.name, error.message);
    return ExecutionReport{ExecutionReport::How::Failed, error.message};
  };
  const auto lock = RunLock::take(world.state_folder);
  if (!lock && lock.error().code != ErrorCode::Unavailable) return fail(lock.error());
  if (const auto begun = append_record(world.files, path, encode_start(record)); !begun) {
    return fail(begun.error());
  }
  const auto finish = [&](const RunEnd& end) {
    if (const auto ended = append_record(world.files, path, encode_end(end)); !ended) {
      base::log_error(kLog, "task '{}': {}", task.name, ended.error().message);
    }
  };
  RunEnd not_now;
  not_now.ended_ms = record.started_ms;
  if (!lock) {
    not_now.skipped = "busy";
    finish(not_now);
    return skipped("busy: " + lock.error().message);
  }
  if (world.files.exists(base::join_path(world.state_folder, kPauseFile))) {
    not_now.skipped = "paused";
    finish(not_now);
    return skipped("paused: 'tocsin-agent task-pause --off' lets tasks run again");
  }
  // What cannot be written down is not done.
  const base::WallTime begin = world.clock.wall();
  if (const auto noted = audit.append(
          {task.name, "start", fmt::format("{}{}", task.work, dry_run ? ", dry run" : "")}, begin);
      !noted) {
    not_now.exit_status = 1;
    not_now.reason = "audit";
    finish(not_now);
    return fail(noted.error());
  }
  base::log_info(kLog, "task '{}' begins{}", task.name, dry_run ? " (dry run)" : "");
  const Result<TaskOutcome> outcome = run_work(task, dry_run, world);
  const base::WallTime now = world.clock.wall();
  ExecutionReport report = report_of(outcome);
  base::log_info(kLog, "task '{}' {}: {}", task.name, event_of(outcome, dry_run), report.text);
  if (const auto noted = audit.append({task.name, event_of(outcome, dry_run), report.text}, now);
      !noted) {
    base::log_error(kLog, "task '{}': {}", task.name, noted.error().message);
  }
  finish(end_of(outcome, dry_run, now));
  return report;
}

}  // namespace tocsin::agent
