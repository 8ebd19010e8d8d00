#include "agent/tasks/task_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kNameBytesMax = 64;
constexpr std::size_t kTasksMax = 200;
constexpr base::Duration kRunDurationDefault = std::chrono::hours(2);
constexpr base::Duration kRunDurationMax = std::chrono::hours(24);

model::Severity read_severity(config::Table& table, std::string_view key,
                              model::Severity otherwise) {
  const std::string text = base::to_lower(table.string(key, model::to_string(otherwise)));
  const auto severity = model::parse_severity(text);
  if (!severity) {
    table.error(key, fmt::format("'{}' is no severity", text), "critical, high, medium or low");
  }
  return severity.value_or(otherwise);
}

void read_schedule(config::Table& table, TaskSettings& task) {
  const auto schedule = table.optional_string("schedule");
  const std::vector<std::string> window = table.strings("window");
  const auto zone_name = table.optional_string("timezone");
  if (schedule) {
    auto cron = Cron::parse(*schedule);
    if (cron) {
      task.schedule = std::move(*cron);
    } else {
      table.error("schedule", cron.error().message, "schedule = \"30 2 * * Sun\"");
    }
  }
  for (const std::string& text : window) {
    auto hours = parse_window(text);
    if (hours) {
      task.window.push_back(*hours);
    } else {
      table.error("window", hours.error().message, "window = [\"Sun 02:00-04:00\"]");
    }
  }
  if (zone_name) {
    auto zone = timezone::Zone::find(*zone_name);
    if (zone) {
      task.zone = *zone;
    } else {
      table.error("timezone", zone.error().message);
    }
  } else if (schedule || !window.empty()) {
    // A time of day without its place is the mistake that is found at the change of clocks.
    table.error(schedule ? "schedule" : "window",
                "a schedule or window needs its timezone: nothing is assumed",
                "timezone = \"Asia/Phnom_Penh\" (or \"UTC\")");
  }
}

void read_clock(config::Table& table, TaskSettings& task) {
  task.expect_every = table.duration("expect_every", base::Duration{0});
  task.grace = table.duration("grace", base::Duration{0});
  task.max_duration = table.duration(
      "max_duration", task.mode == TaskMode::Run ? kRunDurationDefault : base::Duration{0});
  task.on_missed = read_severity(table, "on_missed", task.on_missed);
  task.on_failed = read_severity(table, "on_failed", task.on_failed);
  task.on_overrun = read_severity(table, "on_overrun", task.on_overrun);
  if (task.expect_every == base::Duration::zero()) {
    if (table.has("grace")) table.error("grace", "grace without expect_every has no effect");
    if (task.mode != TaskMode::Run || task.enabled) {
      table.warning("expect_every", "nobody is told when this task does not happen",
                    "expect_every = \"1d\"");
    }
  }
  if (task.mode == TaskMode::Run && task.max_duration > kRunDurationMax) {
    table.error("max_duration", "max_duration of a run is at most 1d");
  }
}

void read_watch(config::Table& table, TaskSettings& task) {
  task.watch_file = table.string("watch_file", "");
  task.watch_bytes_min = table.bytes("watch_bytes_min", task.watch_bytes_min);
  task.watch_settled = table.duration("watch_settled", task.watch_settled);
  const auto count = [&](const char* key, std::uint64_t usual) {
    constexpr std::int64_t kMost = 1'000'000'000;
    return static_cast<std::uint64_t>(
        table.integer(key, static_cast<std::int64_t>(usual), 0, kMost));
  };
  task.watch_rows.rows_min = count("watch_rows_min", task.watch_rows.rows_min);
  task.watch_rows.header_lines = count("watch_header_lines", task.watch_rows.header_lines);
  const bool watch = task.mode == TaskMode::Watch;
  if (!watch && !task.watch_file.empty()) {
    table.error("watch_file", "watch_file belongs to mode = \"watch\"");
  }
  if (watch && !task.watch_file.starts_with('/')) {
    table.error("watch_file", "mode = \"watch\" needs the absolute path of its evidence",
                "watch_file = \"/var/backups/db-*.dump\"");
  }
  const std::size_t slash = task.watch_file.rfind('/');
  if (watch && slash != std::string::npos && task.watch_file.find_first_of("*?[") < slash) {
    table.error("watch_file", "wildcards may stand in the last part of the path only");
  }
}

void read_work(config::Table& table, std::span<const TaskWorkKind> kinds, TaskSettings& task) {
  task.work = table.string("work", "");
  task.dry_run = table.boolean("dry_run", true);
  config::Table options = table.table("options");
  if (task.mode != TaskMode::Run) {
    for (const char* key : {"work", "dry_run", "options"}) {
      if (table.has(key)) table.error(key, fmt::format("{} belongs to mode = \"run\"", key));
    }
    return;
  }
  std::vector<std::string> names;
  for (const TaskWorkKind& kind : kinds) names.emplace_back(kind.name);
  const auto kind = std::find_if(kinds.begin(), kinds.end(),
                                 [&](const TaskWorkKind& one) { return one.name == task.work; });
  if (kind == kinds.end()) {
    table.error("work", fmt::format("'{}' is no built-in work", task.work),
                fmt::format("one of: {}", base::join(names, ", ")));
    return;
  }
  task.make_work = kind->read(options);
  options.finish();
  if (task.enabled && !task.schedule) {
    table.error("work", "an enabled run needs a schedule", "schedule = \"30 2 * * Sun\"");
  }
}

TaskMode read_mode(config::Table& table) {
  const std::string mode = table.one_of("mode", "report", {"watch", "report", "run", "attest"});
  for (const TaskMode one : {TaskMode::Watch, TaskMode::Run, TaskMode::Attest}) {
    if (mode == to_string(one)) return one;
  }
  return TaskMode::Report;
}

TaskSettings read_one(config::Table& table, std::span<const TaskWorkKind> kinds) {
  TaskSettings task;
  task.name = table.required_string("name");
  if (!task.name.empty() && !is_task_name(task.name)) {
    table.error("name", fmt::format("'{}' is no name of a task: letters, digits, '_', '-', '.'; "
                                    "at most {}",
                                    base::escape_control(task.name), kNameBytesMax));
  }
  task.owner = table.string("owner", "");
  task.mode = read_mode(table);
  task.enabled = table.boolean("enabled", task.mode != TaskMode::Run);
  read_schedule(table, task);
  read_clock(table, task);
  read_watch(table, task);
  read_work(table, kinds, task);
  table.finish();
  return task;
}

}  // namespace

std::string_view to_string(TaskMode mode) {
  switch (mode) {
    case TaskMode::Watch:
      return "watch";
    case TaskMode::Run:
      return "run";
    case TaskMode::Attest:
      return "attest";
    default:
      return "report";
  }
}

bool is_task_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

base::Result<timezone::Hours> parse_window(std::string_view text) {
  const std::vector<std::string_view> fields = base::split_fields(text);
  if (fields.empty() || fields.size() > 2) {
    return base::error(base::ErrorCode::InvalidArgument,
                       fmt::format("'{}' is no window of days and hours", text));
  }
  TC_TRY(timezone::Hours hours, timezone::parse_hours(fields.back()));
  if (fields.size() == 2) {
    TC_TRY(hours.weekdays, timezone::parse_weekdays(base::to_lower(fields.front())));
  }
  return hours;
}

TasksSettings read_tasks_settings(config::Table& root, std::span<const TaskWorkKind> kinds,
                                  const std::string& state_folder) {
  TasksSettings settings;
  config::Table common = root.table("tasks");
  settings.inbox = common.string("inbox", kDefaultTaskInbox);
  settings.state_folder = common.string("state", state_folder);
  for (const char* key : {"inbox", "state"}) {
    const std::string& path = key[0] == 'i' ? settings.inbox : settings.state_folder;
    if (!path.starts_with('/')) common.error(key, fmt::format("'{}' is no absolute path", path));
  }
  common.finish();
  std::set<std::string> names;
  for (config::Table& table : root.tables("task")) {
    settings.tasks.push_back(read_one(table, kinds));
    if (!names.insert(settings.tasks.back().name).second) {
      table.error("name", fmt::format("two tasks are called '{}'", settings.tasks.back().name));
    }
    if (settings.tasks.size() == kTasksMax + 1) {
      table.error("name", fmt::format("more than {} tasks", kTasksMax));
    }
  }
  return settings;
}

}  // namespace tocsin::agent
