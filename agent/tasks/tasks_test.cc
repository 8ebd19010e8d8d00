// Schedules, settings, records, state, audit and the desk, on a simulated disk and clock.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cmath>

#include "agent/tasks/task_audit.h"
#include "agent/tasks/task_commands.h"
#include "agent/tasks/task_desk.h"
#include "agent/tasks/task_schedule.h"
#include "common/base/sim_executor.h"
#include "common/config/source.h"
#include "common/config/toml.h"
#include "common/sim/sim_file_system.h"
#include "common/sim/test_folder.h"

namespace tocsin::agent {
namespace {

using base::format_rfc3339;
using base::parse_rfc3339;
using base::to_ms;
using base::WallTime;

WallTime at(const char* text) {
  return parse_rfc3339(text).value();
}

timezone::Zone zone(const char* name) {
  return timezone::Zone::find(name).value();
}

std::string next(const char* cron, const char* place, const char* after) {
  const auto due = Cron::parse(cron).value().next(zone(place), at(after));
  return due ? format_rfc3339(*due) : "never";
}

TEST_CASE("cron: fields, lists, ranges, steps, names") {
  CHECK(next("30 2 * * *", "UTC", "2026-11-27T02:29:59Z") == "2026-11-27T02:30:00Z");
  CHECK(next("30 2 * * *", "UTC", "2026-11-27T02:30:00Z") == "2026-11-28T02:30:00Z");
  CHECK(next("*/20 * * * *", "UTC", "2026-11-27T02:41:00Z") == "2026-11-27T03:00:00Z");
  CHECK(next("0 3 * * Sun", "UTC", "2026-11-27T00:00:00Z") == "2026-11-29T03:00:00Z");
  CHECK(next("0 3 * * 7", "UTC", "2026-11-27T00:00:00Z") == "2026-11-29T03:00:00Z");
  CHECK(next("0 6 1 jan,jul *", "UTC", "2026-11-27T00:00:00Z") == "2027-01-01T06:00:00Z");
  CHECK(next("15,45 8-9 * * mon-fri", "UTC", "2026-11-27T09:45:00Z") == "2026-11-30T08:15:00Z");
  // Both days restricted: either will do. 2026-12-01 is a Tuesday.
  CHECK(next("0 0 1 * Sat", "UTC", "2026-11-28T00:00:00Z") == "2026-12-01T00:00:00Z");
  CHECK(next("0 0 30 2 *", "UTC", "2026-11-27T00:00:00Z") == "never");
  CHECK(next("@daily", "Asia/Phnom_Penh", "2026-11-27T00:00:00Z") == "2026-11-27T17:00:00Z");
}

TEST_CASE("cron: clocks put forward and back") {
  // Berlin, 2026-03-29: 02:00 becomes 03:00. What is skipped runs at the first instant after it.
  CHECK(next("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z") == "2026-03-29T01:00:00Z");
  CHECK(next("30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z") == "2026-03-30T00:30:00Z");
  // 2026-10-25: 03:00 becomes 02:00. 02:30 comes twice and runs once.
  CHECK(next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z") == "2026-10-25T00:30:00Z");
  CHECK(next("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z") == "2026-10-26T01:30:00Z");
  // Of every hour: each hour that passes.
  CHECK(next("30 * * * *", "Europe/Berlin", "2026-10-25T00:30:00Z") == "2026-10-25T01:30:00Z");
  CHECK(next("30 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z") == "2026-03-29T01:30:00Z");
}

TEST_CASE("cron: mistakes name the field") {
  const auto message = [](const char* text) {
    const auto cron = Cron::parse(text);
    return cron ? std::string("ok") : cron.error().message;
  };
  CHECK(message("61 * * * *").starts_with("minute '61'"));
  CHECK(message("* 24 * * *").starts_with("hour '24'"));
  CHECK(message("* * 0 * *").starts_with("day of month '0'"));
  CHECK(message("* * * foo *").starts_with("month 'foo'"));
  CHECK(message("* * * * 5-2").starts_with("day of week '5-2'"));
  CHECK(message("*/0 * * * *").starts_with("minute '*/0'"));
  CHECK(message("* * * *").find("4 fields") != std::string::npos);
}

struct Read {
  TasksSettings settings;
  base::Diagnostics diagnostics;

  std::string first() const { return diagnostics.empty() ? "" : diagnostics.front().message; }
};

class Nothing final : public TaskWork {
 public:
  base::Result<TaskOutcome> run(TaskContext&) override { return TaskOutcome{{}, "did it", {}}; }
};

std::vector<TaskWorkKind> kinds() {
  return {{"nothing", [](config::Table& options) -> std::function<std::unique_ptr<TaskWork>()> {
             options.string("server", "");
             return [] { return std::make_unique<Nothing>(); };
           }}};
}

Read read(const std::string& text) {
  Read read;
  sim::SimFileSystem files;
  const config::Source source{"agent.toml", text};
  config::Context context{source, read.diagnostics, files};
  const config::Node node = config::parse_toml(source, read.diagnostics);
  config::Table root(context, &node);
  read.settings = read_tasks_settings(root, kinds(), "/state");
  root.finish();
  return read;
}

TEST_CASE("settings: a task of each mode") {
  const Read all = read(R"(
[tasks]
inbox = "/inbox"
[[task]]
name = "backup_db"
expect_every = "1d"
grace = "2h"
on_missed = "Critical"
[[task]]
name = "log_archive"
mode = "watch"
watch_file = "/archive/*.tar.gz"
expect_every = "7d"
[[task]]
name = "weekly"
mode = "run"
work = "nothing"
schedule = "0 3 * * Sun"
timezone = "Asia/Phnom_Penh"
window = ["Sun 02:00-04:00"]
expect_every = "7d"
enabled = true
[task.options]
server = "main"
)");
  CHECK_MESSAGE(all.diagnostics.empty(), all.first());
  REQUIRE(all.settings.tasks.size() == 3);
  CHECK(all.settings.inbox == "/inbox");
  CHECK(all.settings.state_folder == "/state");
  CHECK(all.settings.tasks[0].on_missed == model::Severity::Critical);
  CHECK(all.settings.tasks[0].enabled);
  const TaskSettings& weekly = all.settings.tasks[2];
  CHECK(weekly.dry_run);  // until somebody says otherwise
  CHECK(weekly.max_duration == std::chrono::hours(2));
  // Sunday 03:30 in Phnom Penh is Saturday 20:30 UTC.
  CHECK(timezone::covers(weekly.window, weekly.zone, at("2026-11-28T20:30:00Z")));
  CHECK_FALSE(timezone::covers(weekly.window, weekly.zone, at("2026-11-28T21:30:00Z")));
}

TEST_CASE("settings: mistakes") {
  const auto first = [](const std::string& more) {
    return read("[[task]]\nname = \"a\"\nexpect_every = \"1d\"\n" + more).first();
  };
  CHECK(first("schedule = \"0 3 * * *\"") ==
        "a schedule or window needs its timezone: nothing is assumed");
  CHECK(first("schedule = \"0 3 * * *\"\ntimezone = \"Phnom Penh\"").find("is not known") !=
        std::string::npos);
  CHECK(first("mode = \"watch\"").find("absolute path") != std::string::npos);
  CHECK(first("mode = \"watch\"\nwatch_file = \"/a/*/b\"").find("last part") != std::string::npos);
  CHECK(first("mode = \"run\"\nwork = \"nothin\"") == "'nothin' is no built-in work");
  CHECK(first("mode = \"run\"\nwork = \"nothing\"\nenabled = true") ==
        "an enabled run needs a schedule");
  CHECK(first("work = \"nothing\"") == "work belongs to mode = \"run\"");
  CHECK(first("on_missed = \"bad\"") == "'bad' is no severity");
  CHECK(first("[[task]]\nname = \"a\"\nexpect_every = \"1d\"") == "two tasks are called 'a'");
  CHECK(read("[[task]]\nname = \"../a\"\nexpect_every = \"1d\"").first().find("no name") !=
        std::string::npos);
  // Nobody would ever hear of it.
  CHECK(read("[[task]]\nname = \"a\"").first() == "nobody is told when this task does not happen");
}

RunRecord record_of(const char* task, std::int64_t started_ms, std::optional<RunEnd> end) {
  return {task, started_ms, {}, std::move(end)};
}

RunEnd success_at(std::int64_t ended_ms) {
  RunEnd end;
  end.ended_ms = ended_ms;
  end.ok = true;
  return end;
}

TEST_CASE("records: written in two lines, torn ones are waited for, strange ones refused") {
  RunRecord record = record_of("backup_db", 1'000, {});
  record.process = {4711, 99, "pid:[1]", "boot"};
  RunEnd end;
  end.ended_ms = 4'000;
  end.exit_status = 3;
  end.reason = "exit_status";
  end.numbers["evidence_bytes"] = 12;
  const std::string text = encode_start(record) + encode_end(end);
  const RunRecord whole = decode_record(text).value();
  CHECK(whole.task == "backup_db");
  CHECK(whole.process.pid == 4711);
  CHECK(whole.process.start_ticks == 99);
  REQUIRE(whole.end);
  CHECK(whole.end->exit_status == 3);
  CHECK_FALSE(whole.end->ok);
  CHECK(whole.end->numbers.at("evidence_bytes") == 12);
  // Without the last line end the run is still under way.
  CHECK_FALSE(decode_record(text.substr(0, text.size() - 1)).value().end);
  CHECK(decode_record(text.substr(0, 10)).error().code == base::ErrorCode::Unavailable);
  CHECK(decode_record("root:x:0:0\n").error().code == base::ErrorCode::InvalidArgument);
  CHECK(decode_record("root:x:0:0\n").error().message.find("root") == std::string::npos);
  CHECK_FALSE(decode_record("{\"task\":\"../x\",\"started_ms\":5}\n"));
  CHECK(start_ticks_of("12 (a ) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20") == 777);
  CHECK_FALSE(start_ticks_of("12 (a) S 1"));
}

TEST_CASE("state: runs in any order, skips, and over a restart") {
  TaskState state;
  apply_run(state, record_of("a", 1'000, success_at(2'000)));
  RunEnd failed;
  failed.ended_ms = 9'000;
  failed.exit_status = 1;
  failed.reason = "exit_status";
  apply_run(state, record_of("a", 5'000, failed));
  CHECK(state.last_success_ms == 2'000);
  CHECK_FALSE(state.last_ok);
  // A run that began earlier and ended well later: success, but not the last run.
  apply_run(state, record_of("a", 3'000, success_at(9'500)));
  CHECK(state.last_success_ms == 9'500);
  CHECK_FALSE(state.last_ok);
  RunEnd skip;
  skip.skipped = "load";
  apply_run(state, record_of("a", 20'000, skip));
  CHECK(state.skipped.at("load") == 1);
  CHECK(state.last_run_ms == 5'000);
  for (int i = 0; i < 100; ++i) count_skip(state, fmt::format("reason{}", i));
  CHECK(state.skipped.size() <= 33);
  CHECK(state.skipped.at("other") > 60);
  const TaskStates states{{{"a", state}}};
  CHECK(decode_states(encode_states(states)).value() == states);
  CHECK_FALSE(decode_states("{}"));
}

TEST_CASE("schedule: starts within the window, gives up outside of it, catches up for an hour") {
  TaskSettings task;
  task.mode = TaskMode::Run;
  task.schedule = Cron::parse("0 3 * * *").value();
  task.zone = zone("UTC");
  TaskState state;
  state.registered_ms = to_ms(at("2026-11-20T00:00:00Z"));
  using What = DueDecision::What;
  state.handled_due_ms = to_ms(at("2026-11-26T03:00:00Z"));
  CHECK(decide_due(task, state, at("2026-11-27T02:59:00Z")).what == What::Wait);
  const DueDecision start = decide_due(task, state, at("2026-11-27T03:00:10Z"));
  CHECK(start.what == What::Start);
  CHECK(start.due_ms == to_ms(at("2026-11-27T03:00:00Z")));
  CHECK(decide_due(task, state, at("2026-11-27T03:40:00Z")).what == What::Start);
  CHECK(decide_due(task, state, at("2026-11-27T05:00:00Z")).reason == "late");
  // Several are due: the latest counts.
  state.handled_due_ms = 0;
  CHECK(decide_due(task, state, at("2026-11-27T03:10:00Z")).due_ms ==
        to_ms(at("2026-11-27T03:00:00Z")));
  task.window = {parse_window("03:00-03:30").value()};
  CHECK(decide_due(task, state, at("2026-11-27T03:10:00Z")).what == What::Start);
  CHECK(decide_due(task, state, at("2026-11-27T03:40:00Z")).reason == "window");
  // The clock was far ahead once.
  state.handled_due_ms = to_ms(at("2027-06-01T03:00:00Z"));
  CHECK(decide_due(task, state, at("2026-11-27T03:00:10Z")).what == What::Wait);
  task.enabled = false;
  state.handled_due_ms = 0;
  CHECK(decide_due(task, state, at("2026-11-27T03:10:00Z")).what == What::Wait);
}

TEST_CASE("audit: a changed, removed or cut line is noticed; a crash is not") {
  sim::SimFileSystem files;
  REQUIRE(files.create_folders("/state"));
  TaskAudit audit(files, "/state");
  for (const char* event : {"start", "end", "start", "failed"}) {
    REQUIRE(audit.append({"weekly", event, "text"}, base::wall_time(1'000)));
  }
  CHECK(audit.check().value().lines == 4);
  const std::string good = files.content("/state/audit.log");
  std::string changed = good;
  changed[changed.find("start")] = 'S';
  files.set_content("/state/audit.log", changed);
  CHECK(audit.check().error().message.find("line 2") != std::string::npos);
  const std::size_t second = good.find('\n') + 1;
  const std::size_t third = good.find('\n', second) + 1;
  files.set_content("/state/audit.log", good.substr(0, second) + good.substr(third));
  CHECK_FALSE(audit.check());
  files.set_content("/state/audit.log", good.substr(0, third));
  CHECK(audit.check().error().message.find("line 4 was written") != std::string::npos);
  // Between the line and the head, and in the middle of a line.
  files.set_content("/state/audit.log", good);
  const AuditHead head = audit.check().value();
  files.set_content("/state/audit.log",
                    good + audit_line({"weekly", "start", "x"}, head, base::wall_time(2'000)));
  REQUIRE(audit.append({"weekly", "end", "y"}, base::wall_time(3'000)));
  CHECK(audit.check().value().lines == 6);
  files.set_content("/state/audit.log", files.content("/state/audit.log") + "{\"n\":7,\"at");
  REQUIRE(audit.append({"weekly", "start", "z"}, base::wall_time(4'000)));
  CHECK(audit.check().value().lines == 7);
}

/// A desk on a disk in memory.
struct Bench {
  explicit Bench(const std::string& text) : settings(read(text).settings) {
    settings.inbox = "/inbox";
    REQUIRE(files.create_folders("/inbox"));
    restart();
  }
  void restart() {
    desk = std::make_unique<TaskDesk>(
        settings, TaskDesk::World{files, clock, [this](const TaskSettings& task) {
                                    started.push_back(task.name);
                                    return !busy;
                                  }});
  }
  TaskRound look(base::Duration later = base::Duration{0}) {
    clock.advance(later);
    return desk->look();
  }

  TasksSettings settings;
  sim::SimFileSystem files;
  base::SimClock clock{at("2026-11-27T02:59:00Z")};
  std::vector<std::string> started;
  bool busy = false;
  std::unique_ptr<TaskDesk> desk;
};

constexpr const char* kReport = "[[task]]\nname = \"job\"\nexpect_every = \"1d\"\n";

TEST_CASE("desk: records are taken in, kept over restarts, and removed once they are") {
  Bench bench(kReport);
  CHECK(bench.look().tasks.at("job").state.last_success_ms == 0);
  const std::int64_t now = to_ms(bench.clock.wall());
  bench.files.set_content("/inbox/job.1.run", encode_start(record_of("job", now, {})) +
                                                  encode_end(success_at(now + 500)));
  bench.files.set_content("/inbox/other.1.run", encode_start(record_of("other", now, {})));
  bench.files.set_content("/inbox/notes.txt", "not ours");
  const TaskRound round = bench.look();
  CHECK(round.tasks.at("job").state.last_success_ms == now + 500);
  CHECK(round.records_refused == 1);  // nobody configured `other`
  CHECK(bench.files.list("/inbox").value() == std::vector<std::string>{"notes.txt"});
  bench.restart();
  CHECK(bench.look().tasks.at("job").state.last_success_ms == now + 500);
}

TEST_CASE("desk: what cannot be saved stays in the inbox") {
  Bench bench(kReport);
  bench.look();
  const std::int64_t now = to_ms(bench.clock.wall());
  bench.files.set_content("/inbox/job.1.run", encode_start(record_of("job", now, {})) +
                                                  encode_end(success_at(now + 500)));
  bench.files.fail_at(1, true);
  CHECK(bench.look().failed.contains("state"));
  CHECK(bench.files.exists("/inbox/job.1.run"));
  bench.files.heal();
  CHECK(bench.look().failed.empty());
  CHECK_FALSE(bench.files.exists("/inbox/job.1.run"));
}

TEST_CASE("desk: a run under way, and one whose process is gone") {
  Bench bench(kReport);
  const std::int64_t now = to_ms(bench.clock.wall());
  RunRecord record = record_of("job", now, {});
  bench.files.set_content("/proc/sys/kernel/random/boot_id", "this-boot\n");
  record.process = {4711, 99, "", "this-boot"};
  // A number that no process has: the first look cannot read it, and the signal finds nobody.
  record.process.pid = (1LL << 22) + 5;
  record.process.boot = "this-boot";
  bench.files.set_content("/inbox/job.1.run", encode_start(record));
  bench.files.set_content(fmt::format("/proc/{}/stat", record.process.pid),
                          "1 (sh) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 99 20");
  CHECK(bench.look().tasks.at("job").running);
  CHECK(bench.look(base::Duration{60'000}).tasks.at("job").running_since_ms == now);
  REQUIRE(bench.files.remove(fmt::format("/proc/{}/stat", record.process.pid)));
  const TaskView gone = bench.look().tasks.at("job");
  CHECK_FALSE(gone.running);
  CHECK(gone.state.last_reason == "lost");
  CHECK(gone.state.last_exit == -1);
  // The machine was started since.
  record.process.boot = "another-boot";
  record.started_ms += 100'000;
  bench.files.set_content("/inbox/job.2.run", encode_start(record));
  CHECK(bench.look().tasks.at("job").state.last_run_ms == now + 100'000);
}

TEST_CASE("watched files: the newest that is whole, and never from the future") {
  TaskSettings task;
  task.watch_bytes_min = 3;
  const WallTime now = at("2026-11-27T03:00:00Z");
  const auto newest = [&](std::vector<FileFact> files) {
    const auto found = newest_evidence(task, files, now);
    return found ? to_ms(now) - found->modified_ms : -1;
  };
  CHECK(newest({}) == -1);
  const std::int64_t ms = to_ms(now);
  CHECK(newest({{ms - 90'000, 5}, {ms - 70'000, 5}, {ms - 80'000, 5}}) == 70'000);
  CHECK(newest({{ms - 90'000, 5}, {ms - 70'000, 2}}) == 90'000);  // too small
  CHECK(newest({{ms - 90'000, 5}, {ms - 30'000, 5}}) == 90'000);  // may still be written
  CHECK(newest({{ms + 90'000, 5}}) == -1);
}

TEST_CASE("desk: a folder of evidence that is not there is never OK") {
  Bench bench(
      "[[task]]\nname = \"archive\"\nmode = \"watch\"\nwatch_file = \"/archive/*.gz\"\n"
      "expect_every = \"7d\"\n");
  CHECK(bench.look().failed.contains("watch archive"));
  REQUIRE(bench.files.create_folders("/archive"));
  bench.files.set_content("/archive/other.txt", "12345");
  CHECK(bench.look().failed.empty());
  CHECK(bench.look().tasks.at("archive").state.last_success_ms == 0);
}

TEST_CASE("rows: lines with something in them, less the header; quotes may hold line ends") {
  Bench bench(kReport);
  const auto rows = [&](const std::string& text, std::uint64_t header = 1) {
    bench.files.set_content("/r.csv", text);
    return *count_rows(bench.files, "/r.csv", {1, header});
  };
  CHECK(rows("") == 0);
  CHECK(rows("id,name\n") == 0);
  CHECK(rows("id,name\r\n1,a\r\n2,b\r\n") == 2);
  CHECK(rows("id,name\n1,a\n\n2,b") == 2);
  CHECK(rows("1\n2\n", 0) == 2);
  CHECK(rows("id,note\n1,\"two\nlines\"\n2,\"a \"\"quote\"\"\"\n") == 2);
  CHECK(rows("id\n" + std::string(3 << 20, 'x') + "\n") == 1);  // over several pieces
  CHECK_FALSE(count_rows(bench.files, "/none.csv", {1, 1}));
}

TEST_CASE("desk: a watched report without rows is a failed run, told once, until one has rows") {
  const sim::TestFolder folder;
  TasksSettings settings =
      read("[[task]]\nname = \"export\"\nmode = \"watch\"\nwatch_file = \"" + folder.file("*.csv") +
           "\"\nexpect_every = \"1d\"\nwatch_rows_min = 2\n")
          .settings;
  settings.inbox = folder.file("inbox");
  settings.state_folder = folder.file("state");
  REQUIRE(folder.files->create_folders(settings.inbox));
  base::SimClock clock{at("2100-01-01T00:00:00Z")};
  TaskDesk desk(settings, TaskDesk::World{*folder.files, clock, {}});
  const auto leave = [&](const char* name, const char* text, std::time_t when) {
    const std::string path = folder.write(name, text);
    const timespec times[] = {{when, 0}, {when, 0}};
    REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
  };
  leave("a.csv", "id,sum\n", 1'700'000'000);
  const TaskState failed = desk.look().tasks.at("export").state;
  CHECK_FALSE(failed.last_ok);
  CHECK(failed.last_reason == "few_rows");
  CHECK(failed.last_success_ms == 0);
  CHECK(failed.numbers.at("evidence_rows") == 0);
  CHECK(desk.look().tasks.at("export").state == failed);
  leave("b.csv", "id,sum\n1,2\n3,4\n", 1'700'000'100);
  const TaskState good = desk.look().tasks.at("export").state;
  CHECK(good.last_ok);
  CHECK(good.last_success_ms == 1'700'000'100'000);
  CHECK(good.numbers.at("evidence_rows") == 2);
}

constexpr const char* kRun =
    "[[task]]\nname = \"nightly\"\nmode = \"run\"\nwork = \"nothing\"\nschedule = \"0 3 * * *\"\n"
    "timezone = \"UTC\"\nexpect_every = \"1d\"\nenabled = true\n";

TEST_CASE("desk: a due run begins once, also over restarts, and waits while another one runs") {
  Bench bench(kRun);
  bench.look();
  CHECK(bench.started.empty());
  bench.busy = true;
  bench.look(base::Duration{120'000});
  CHECK(bench.started.size() == 1);
  bench.busy = false;
  bench.look(base::Duration{15'000});
  CHECK(bench.started.size() == 2);
  bench.look(base::Duration{15'000});
  bench.restart();
  bench.look(base::Duration{15'000});
  CHECK(bench.started.size() == 2);
  bench.look(std::chrono::hours(24));
  CHECK(bench.started.size() == 3);
}

TEST_CASE("desk: what cannot be noted does not begin") {
  Bench bench(kRun);
  bench.look();
  bench.files.fail_at(1, true);
  CHECK(bench.look(base::Duration{120'000}).failed.contains("state"));
  CHECK(bench.started.empty());
  bench.files.heal();
  bench.look();
  CHECK(bench.started.size() == 1);
}

TEST_CASE("desk: a damaged state file is put aside") {
  Bench bench(kReport);
  bench.files.set_content("/state/state.json", "{damaged");
  CHECK(bench.look().failed.empty());
  CHECK(bench.files.content("/state/state.json.damaged") == "{damaged");
}

TEST_CASE("command line") {
  const auto parsed = parse_task_command(
      {"run-task", "job", "--evidence-file", "/a", "--inbox", "/i", "--", "sh", "--ok"});
  REQUIRE(parsed);
  CHECK(parsed->task == "job");
  CHECK(parsed->evidence_files == std::vector<std::string>{"/a"});
  CHECK(parsed->command == std::vector<std::string>{"sh", "--ok"});
  const auto rows =
      parse_task_command({"run-task", "job", "--evidence-file", "/a", "--evidence-rows", "3",
                          "--evidence-header-lines", "0", "--", "sh"});
  REQUIRE(rows);
  CHECK(rows->evidence_rows.rows_min == 3);
  CHECK(rows->evidence_rows.header_lines == 0);
  CHECK_FALSE(parse_task_command({"run-task", "job", "--evidence-rows", "many", "--", "sh"}));
  CHECK_FALSE(parse_task_command({"run-task", "job"}));
  CHECK_FALSE(parse_task_command({"run-task", "job", "ls"}));
  CHECK_FALSE(parse_task_command({"task-report", "job"}));
  CHECK_FALSE(parse_task_command({"task-report", "job", "--ok", "--failed"}));
  CHECK(parse_task_command({"task-report", "job", "--failed"})->failed);
  CHECK_FALSE(parse_task_command({"task-report", "../job", "--ok"}));
  CHECK(parse_task_command({"task-pause"}));
  CHECK(is_task_command("task-audit"));
  CHECK_FALSE(is_task_command("--once"));
}

}  // namespace
}  // namespace tocsin::agent
