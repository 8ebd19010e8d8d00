#include "agent/tasks/task_commands.h"

#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "agent/tasks/task_audit.h"
#include "agent/tasks/task_execution.h"
#include "agent/tasks/task_record.h"
#include "common/base/strings.h"

extern char** environ;  // what the command inherits; posix_spawn(3)

namespace tocsin::agent {
namespace {

using base::ErrorCode;

constexpr std::array<std::string_view, 5> kVerbs{"run-task", "task-report", "task-run",
                                                 "task-pause", "task-audit"};
constexpr int kNotFound = 127;
constexpr int kNotRunnable = 126;
constexpr int kSignalBase = 128;
constexpr int kSkipped = 3;
constexpr std::int64_t kNsPerMs = 1'000'000;
/// File systems keep times of files more coarsely than the clock.
constexpr std::int64_t kFileTimeSlackMs = 2'000;

base::Error wrong(std::string message) {
  return base::error(ErrorCode::InvalidArgument, std::move(message));
}

std::string inbox_of(const TaskCommand& command, const TasksSettings* settings) {
  if (!command.inbox.empty()) return command.inbox;
  return settings ? settings->inbox : kDefaultTaskInbox;
}

/// Whether the task is one of the configured ones; said, because a slip of the keyboard would show
/// as an overdue task much later.
void warn_unknown(const TaskCommand& command, const TasksSettings* settings) {
  if (!settings) return;
  std::vector<std::string> names;
  for (const TaskSettings& task : settings->tasks) names.push_back(task.name);
  if (std::find(names.begin(), names.end(), command.task) != names.end()) return;
  const auto closest = base::closest(command.task, names);
  fmt::print(stderr, "tocsin-agent: no [[task]] is called '{}'{}: nobody will hear of this run\n",
             command.task, closest ? fmt::format("; did you mean '{}'?", *closest) : "");
}

/// Appends lines that the agent's user can read, whatever the umask here is.
class RecordWriter {
 public:
  RecordWriter(const CommandWorld& world, const std::string& inbox, const std::string& task)
      : world_(world), path_(record_path(inbox, task)) {}

  bool write(const std::string& line) {
    const mode_t before = ::umask(0022);
    const auto written = append_record(world_.files, path_, line);
    ::umask(before);
    if (!written) {
      fmt::print(stderr, "tocsin-agent: the run is not recorded: {}\n", written.error().message);
    }
    return written.has_value();
  }

 private:
  CommandWorld world_;
  std::string path_;
};

/// The command that runs; signals to us are for it.
std::atomic<pid_t> running_child{0};

void forward(int number) {
  const pid_t child = running_child.load();
  if (child > 0) ::kill(child, number);
}

void forward_signals() {
  struct sigaction action = {};
  action.sa_handler = forward;
  sigemptyset(&action.sa_mask);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) ::sigaction(number, &action, nullptr);
}

struct ChildEnd {
  int exit_status = 0;
  std::string reason;  ///< Empty: by itself, with status 0.
};

ChildEnd run_child(const std::vector<std::string>& command) {
  std::vector<std::string> words = command;
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t defaults;
  sigemptyset(&defaults);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE}) sigaddset(&defaults, number);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t child = 0;
  const int code =
      ::posix_spawnp(&child, arguments[0], nullptr, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  if (code != 0) {
    fmt::print(stderr, "tocsin-agent: cannot run {}: {}\n", command[0], std::strerror(code));
    return {code == ENOENT ? kNotFound : kNotRunnable, "not_started"};
  }
  running_child = child;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  running_child = 0;
  if (WIFSIGNALED(status)) return {kSignalBase + WTERMSIG(status), "signal"};
  const int exit_status = WEXITSTATUS(status);
  return {exit_status, exit_status == 0 ? "" : "exit_status"};
}

/// Success needs evidence: each file is there, not empty, and was written by this run.
void look_for_evidence(const TaskCommand& command, std::int64_t started_ms,
                       const base::FileSystem& files, RunEnd& end) {
  if (command.evidence_files.empty()) return;
  double bytes = 0;
  double rows = 0;
  for (const std::string& path : command.evidence_files) {
    const auto size = files.size(path);
    const auto modified = files.modified_ns(path);
    const char* lacking = !size || !modified ? "is not there"
                          : *size == 0       ? "is empty"
                          : *modified / kNsPerMs + kFileTimeSlackMs < started_ms
                              ? "was not written by this run"
                              : nullptr;
    if (!lacking && command.evidence_rows.rows_min > 0) {
      const auto counted = count_rows(files, path, command.evidence_rows);
      rows += counted ? static_cast<double>(*counted) : 0;
      if (!counted) lacking = "has rows that cannot be counted";
      if (counted && *counted < command.evidence_rows.rows_min) lacking = "has too few rows";
    }
    if (!lacking) {
      bytes += static_cast<double>(*size);
      continue;
    }
    fmt::print(stderr, "tocsin-agent: task '{}' has no evidence: {} {}\n", command.task, path,
               lacking);
    if (end.ok) end.reason = "no_evidence";
    end.ok = false;
  }
  end.numbers["evidence_bytes"] = bytes;
  if (command.evidence_rows.rows_min > 0) end.numbers["evidence_rows"] = rows;
}

base::Result<void> take_option(TaskCommand& command, const std::vector<std::string>& words,
                               std::size_t& index) {
  const std::string& word = words[index];
  const auto value = [&]() -> base::Result<std::string> {
    if (index + 1 >= words.size()) return wrong(word + " needs a value");
    return words[++index];
  };
  if (word == "--config") {
    TC_TRY(command.config, value());
  } else if (word == "--inbox") {
    TC_TRY(command.inbox, value());
  } else if (word == "--evidence-file" && command.verb == "run-task") {
    TC_TRY(std::string path, value());
    command.evidence_files.push_back(std::move(path));
  } else if ((word == "--evidence-rows" || word == "--evidence-header-lines") &&
             command.verb == "run-task") {
    TC_TRY(const std::string text, value());
    const auto number = base::parse_u64(text);
    if (!number) return wrong(fmt::format("{}: '{}' is no number", word, text));
    (word == "--evidence-rows" ? command.evidence_rows.rows_min
                               : command.evidence_rows.header_lines) = *number;
  } else if (word == "--note" && command.verb == "task-report") {
    TC_TRY(command.note, value());
  } else if (word == "--ok" && command.verb == "task-report") {
    command.ok = true;
  } else if (word == "--failed" && command.verb == "task-report") {
    command.failed = true;
  } else if (word == "--off" && command.verb == "task-pause") {
    command.off = true;
  } else if (word == "--dry-run" && command.verb == "task-run") {
    command.dry_run = true;
  } else if (word.starts_with('-') || !command.task.empty()) {
    return wrong(fmt::format("{}: unexpected '{}'", command.verb, word));
  } else {
    command.task = word;
  }
  return base::ok();
}

const TaskSettings* find_task(const TasksSettings& settings, const std::string& name) {
  for (const TaskSettings& task : settings.tasks) {
    if (task.name == name) return &task;
  }
  return nullptr;
}

int fail(const std::string& message) {
  fmt::print(stderr, "tocsin-agent: {}\n", message);
  return 1;
}

/// Files that somebody else makes in the agent's folder would lock the agent out.
bool is_owner(const std::string& folder) {
  struct stat status = {};
  return ::stat(folder.c_str(), &status) == 0 && status.st_uid == ::geteuid();
}

}  // namespace

bool is_task_command(std::string_view word) {
  return std::find(kVerbs.begin(), kVerbs.end(), word) != kVerbs.end();
}

base::Result<TaskCommand> parse_task_command(const std::vector<std::string>& words) {
  TaskCommand command;
  command.verb = words.empty() ? "" : words[0];
  for (std::size_t index = 1; index < words.size(); ++index) {
    if (words[index] == "--" && command.verb == "run-task") {
      command.command.assign(words.begin() + static_cast<std::ptrdiff_t>(index) + 1, words.end());
      break;
    }
    TC_TRY(take_option(command, words, index));
  }
  const bool named = command.verb != "task-pause" && command.verb != "task-audit";
  if (named && !is_task_name(command.task)) {
    return wrong(fmt::format("{} needs the name of a task", command.verb));
  }
  if (command.verb == "run-task" && command.command.empty()) {
    return wrong("run-task NAME -- command arguments: the command is missing");
  }
  if (command.verb == "task-report" && command.ok == command.failed) {
    return wrong("task-report NAME needs one of --ok and --failed");
  }
  return command;
}

int run_task(const TaskCommand& command, const TasksSettings* settings, const CommandWorld& world) {
  warn_unknown(command, settings);
  RecordWriter writer(world, inbox_of(command, settings), command.task);
  const RunRecord record{command.task, base::to_ms(world.clock.wall()), mark_self(world.files), {}};
  const bool recorded = writer.write(encode_start(record));
  forward_signals();
  const ChildEnd child = run_child(command.command);
  RunEnd end;
  end.ended_ms = base::to_ms(world.clock.wall());
  end.exit_status = child.exit_status;
  end.ok = child.reason.empty();
  end.reason = child.reason;
  look_for_evidence(command, record.started_ms, world.files, end);
  if (recorded) writer.write(encode_end(end));
  return child.exit_status;
}

int report_task(const TaskCommand& command, const TasksSettings* settings,
                const CommandWorld& world) {
  warn_unknown(command, settings);
  RecordWriter writer(world, inbox_of(command, settings), command.task);
  const std::int64_t now_ms = base::to_ms(world.clock.wall());
  RunEnd end;
  end.ended_ms = now_ms;
  end.exit_status = command.ok ? 0 : 1;
  end.ok = command.ok;
  if (!command.ok) end.reason = "reported";
  end.note = command.note;
  return writer.write(encode_start({command.task, now_ms, {}, {}}) + encode_end(end)) ? 0 : 1;
}

int run_work_now(const TaskCommand& command, const TasksSettings& settings,
                 const CommandWorld& world) {
  const TaskSettings* task = find_task(settings, command.task);
  if (!task) return fail(fmt::format("no [[task]] is called '{}'", command.task));
  if (task->mode != TaskMode::Run || !task->make_work) {
    return fail(fmt::format("task '{}' has no built-in work (mode = \"run\")", command.task));
  }
  const bool dry_run = command.dry_run || task->dry_run || !task->enabled;
  for (const std::string& folder : {settings.state_folder, inbox_of(command, &settings)}) {
    if (const auto made = world.files.create_folders(folder); !made) {
      return fail(made.error().message + "; run this as the agent's user");
    }
  }
  if (!is_owner(settings.state_folder)) {
    return fail(
        fmt::format("{} belongs to another user; run this as its owner: "
                    "runuser -u tocsin-agent -- tocsin-agent task-run {}",
                    settings.state_folder, command.task));
  }
  const ExecutionReport report = execute_task(
      *task, dry_run,
      {world.files, world.clock, inbox_of(command, &settings), settings.state_folder, nullptr});
  using How = ExecutionReport::How;
  const char* how = report.how == How::Succeeded ? (dry_run ? "dry run" : "done")
                    : report.how == How::Skipped ? "skipped"
                                                 : "failed";
  fmt::print("{}: {}: {}\n", task->name, how, base::escape_control(report.text));
  return report.how == How::Succeeded ? 0 : report.how == How::Skipped ? kSkipped : 1;
}

int pause_tasks(const TaskCommand& command, const TasksSettings& settings,
                const CommandWorld& world) {
  const std::string path = base::join_path(settings.state_folder, kPauseFile);
  if (!command.off) {
    if (const auto made = world.files.create_folders(settings.state_folder); !made) {
      return fail(made.error().message);
    }
    const auto written =
        world.files.write_atomic(path, base::format_rfc3339(world.clock.wall()) + "\n", 0600);
    if (!written) return fail(written.error().message);
    fmt::print("no task begins on this host until 'tocsin-agent task-pause --off'\n");
    return 0;
  }
  if (const auto removed = world.files.remove(path);
      !removed && removed.error().code != ErrorCode::NotFound) {
    return fail(removed.error().message);
  }
  fmt::print("tasks run again\n");
  return 0;
}

int check_audit_trail(const TasksSettings& settings, const CommandWorld& world) {
  const auto head = TaskAudit(world.files, settings.state_folder).check();
  if (!head) return fail(head.error().message);
  fmt::print("the audit trail is whole: {} lines, last hash {}\n", head->lines,
             head->hash.empty() ? "none" : head->hash);
  return 0;
}

}  // namespace tocsin::agent
