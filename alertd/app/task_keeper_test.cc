// The dead-man clock at work, in simulated time: jumps, absences, heartbeats and a disk that fails.
#include "alertd/app/task_keeper.h"

#include <doctest/doctest.h>

#include <limits>
#include <map>
#include <vector>

#include "common/base/sim_executor.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::alertd {
namespace {

constexpr const char* kPath = "/data/tasks.json";

/// Keeps the newest value of each series, as "name{host/task}".
struct KeepingAppender final : model::Appender {
  void append(std::shared_ptr<const model::WriteBatch> batch, model::AppendDone done) override {
    for (const auto& series : batch->series()) {
      std::map<std::string_view, std::string_view> labels;
      for (const model::LabelView& label : batch->labels(series)) labels[label.name] = label.value;
      const std::string key = std::string(labels["__name__"]) + "{" + std::string(labels["host"]) +
                              "/" + std::string(labels["task"]) + "}";
      values[key] = batch->samples(series).back().value;
    }
    done(model::AppendOutcome{});
  }
  std::map<std::string, double> values;
};

struct Bench {
  Bench() {
    REQUIRE(files.create_folders("/data"));
    restart();
  }
  /// As after kill -9: what the old one has still to do is never done.
  void restart() {
    if (keeper) dead.emplace_back(std::move(executors), std::move(keeper));
    executors = std::make_unique<base::SimExecutor>(clock);
    keeper = std::make_unique<TaskKeeper>(
        TaskKeeperWorld{*executors, files, appender, metrics,
                        [](const net::ServerRequest& request) -> base::Result<BeatSender> {
                          if (request.header("authorization") != "Bearer good") {
                            return base::error(base::ErrorCode::PermissionDenied, "unknown token");
                          }
                          return BeatSender{"web1", [](std::string_view) { return false; }};
                        },
                        [this] { return enrolled; }},
        tasks::ClockSettings{}, kPath);
    REQUIRE(keeper->load());
    keeper->start();
    run_ready();
  }
  void run_ready() { executors->run_ready(); }
  void run_for(base::Duration time) { executors->run_for(time); }
  int beat(const std::string& event, const std::string& token = "good",
           std::multimap<std::string, std::string> query = {}) {
    int status = 0;
    net::ServerRequest request;
    request.method = "POST";
    request.headers = {{"authorization", "Bearer " + token}};
    request.query = std::move(query);
    keeper->routes().front().handler(
        {std::move(request), {"sync", event}, "test", [&](const net::ServerResponse& response) {
           status = response.status;
         }});
    run_ready();
    return status;
  }
  void hear(const char* metric, double value, const char* task = "backup") {
    const model::LabelView labels[] = {
        {"__name__", metric}, {"host", "db1"}, {"on_missed", "critical"}, {"task", task}};
    keeper->hear(labels, {base::to_ms(clock.wall()), value});
  }
  double overdue(const std::string& key) {
    return appender.values["tocsin_task_overdue{" + key + "}"];
  }

  base::SimClock clock{base::wall_time(1'800'000'000'000)};
  std::unique_ptr<base::SimExecutor> executors;
  sim::SimFileSystem files;
  KeepingAppender appender;
  base::Metrics metrics;
  std::set<std::string> enrolled{"web1"};
  std::unique_ptr<TaskKeeper> keeper;
  std::vector<std::pair<std::unique_ptr<base::SimExecutor>, std::unique_ptr<TaskKeeper>>> dead;
};

const std::multimap<std::string, std::string> kHourly{{"expect_every", "1h"}, {"severity", "high"}};

TEST_CASE("heartbeats: refused without the token, overdue when they end") {
  Bench bench;
  CHECK(bench.beat("success", "bad", kHourly) == 401);
  CHECK_FALSE(bench.files.exists(kPath));
  CHECK(bench.beat("success", "good", kHourly) == 200);
  CHECK(bench.beat("dance") == 404);
  CHECK(bench.beat("success", "good", {{"expect_every", "often"}}) == 400);
  CHECK(bench.beat("success", "good", {{"host", "db1"}}) == 403);
  bench.run_for(std::chrono::minutes(59));
  CHECK(bench.overdue("web1/sync") == 0);
  bench.run_for(std::chrono::minutes(2));
  CHECK(bench.overdue("web1/sync") == 3);
  CHECK(bench.beat("success") == 200);
  bench.run_for(std::chrono::seconds(15));
  CHECK(bench.overdue("web1/sync") == 0);
}

TEST_CASE("an answer means that it is on disk") {
  Bench bench;
  bench.files.fail_at(1, true);
  CHECK(bench.beat("success", "good", kHourly) == 503);
  bench.files.heal();
  CHECK(bench.beat("success") == 200);
  bench.files.crash(sim::Unsynced::Lost, false);
  bench.restart();
  bench.run_for(std::chrono::minutes(61));
  CHECK(bench.overdue("web1/sync") == 3);
}

TEST_CASE("a jump forward freezes: agents first say what happened meanwhile") {
  Bench bench;
  REQUIRE(bench.beat("success", "good", kHourly) == 200);
  bench.run_for(std::chrono::minutes(1));
  bench.clock.step_wall(std::chrono::hours(3));
  bench.run_for(std::chrono::minutes(4));
  CHECK(bench.overdue("web1/sync") == 0);
  const auto value = [&](const std::string& name) {
    for (const base::MetricPoint& point : bench.metrics.points()) {
      if (point.name == name && (point.labels.empty() || point.labels.contains("direction")))
        if (point.labels.empty() || point.labels.at("direction") == "forward") return point.value;
    }
    return -1.0;
  };
  CHECK(value("tocsin_alertd_clock_jumps_total") == 1);
  CHECK(value("tocsin_alertd_last_clock_jump_seconds") == 3 * 3600);
  CHECK(value("tocsin_alertd_tasks_frozen") == 1);
  bench.run_for(std::chrono::minutes(2));
  CHECK(bench.overdue("web1/sync") == 3);
  CHECK(value("tocsin_alertd_tasks_frozen") == 0);
}

TEST_CASE("so does a start after an absence; a short one does not") {
  Bench bench;
  REQUIRE(bench.beat("success", "good", kHourly) == 200);
  bench.run_for(std::chrono::minutes(58));
  bench.keeper->stop();
  bench.run_ready();
  bench.clock.advance(std::chrono::minutes(4));
  bench.restart();
  bench.run_for(std::chrono::seconds(16));
  CHECK(bench.overdue("web1/sync") == 3);
  REQUIRE(bench.beat("success") == 200);
  bench.run_for(std::chrono::seconds(16));
  bench.keeper->stop();
  bench.run_ready();
  bench.clock.advance(std::chrono::hours(2));
  bench.restart();
  bench.run_for(std::chrono::minutes(4));
  CHECK(bench.overdue("web1/sync") == 0);
  bench.run_for(std::chrono::minutes(2));
  CHECK(bench.overdue("web1/sync") == 3);
}

TEST_CASE("samples of agents; what is removed is forgotten, what is silent is not") {
  Bench bench;
  bench.enrolled = {"web1", "db1"};
  bench.run_for(std::chrono::seconds(16));
  const auto round = [&](bool with_task) {
    bench.hear("tocsin_agent_heartbeat_timestamp_seconds", 1);
    if (!with_task) return;
    bench.hear("task_info", 1);
    bench.hear("task_max_age_seconds", 3600);
  };
  round(true);
  bench.run_for(std::chrono::hours(2));
  CHECK(bench.appender.values["tocsin_task_never_succeeded{db1/backup}"] == 4);
  bench.restart();  // over restarts, too, its silence means nothing
  bench.appender.values.clear();
  bench.run_for(std::chrono::hours(2));
  CHECK(bench.appender.values["tocsin_task_never_succeeded{db1/backup}"] == 4);
  // Heard again without the task: its part of the round may be late; later it is configured no
  // more.
  round(false);
  bench.run_for(std::chrono::seconds(30));
  CHECK(bench.appender.values["tocsin_task_never_succeeded{db1/backup}"] == 4);
  for (int minute = 0; minute < 17; ++minute) {
    bench.run_for(std::chrono::minutes(1));
    round(false);
  }
  bench.run_for(std::chrono::seconds(30));
  bench.appender.values.clear();
  bench.run_for(std::chrono::seconds(30));
  CHECK(bench.appender.values.empty());
  round(true);
  bench.run_for(std::chrono::seconds(30));
  CHECK(bench.appender.values.contains("tocsin_task_overdue{db1/backup}"));
  bench.enrolled = {"web1"};
  bench.run_for(std::chrono::seconds(30));
  bench.appender.values.clear();
  bench.run_for(std::chrono::seconds(30));
  CHECK(bench.appender.values.empty());
}

TEST_CASE("a damaged book is put aside, and nothing is written without tasks") {
  Bench bench;
  bench.run_for(std::chrono::hours(1));
  CHECK_FALSE(bench.files.exists(kPath));
  bench.files.set_content(kPath, "damaged");
  bench.restart();
  CHECK(bench.files.content("/data/tasks.json.damaged") == "damaged");
}

TEST_CASE("the list says when a task is due, and what its last run brought") {
  Bench bench;
  const std::int64_t now = base::to_ms(bench.clock.wall());
  const auto hear = [&](const char* metric, double value) {
    const model::LabelView labels[] = {{"__name__", metric}, {"host", "db1"},  {"mode", "report"},
                                       {"name", "bytes"},    {"owner", "dba"}, {"task", "backup"}};
    bench.keeper->hear(labels, {now, value});
  };
  const auto list = [&] {
    std::string body;
    bench.keeper->routes()[1].handler(
        {{}, {}, "test", [&](const net::ServerResponse& response) { body = response.body; }});
    return body;
  };
  hear("task_info", 1);
  hear("task_max_age_seconds", 3600);
  hear("task_last_success_timestamp_seconds", static_cast<double>(now) / 1000 - 600);
  hear("task_evidence", 42);
  const std::string due = base::format_rfc3339(bench.clock.wall() + std::chrono::minutes(50));
  CHECK(list().find("\"mode\":\"report\"") != std::string::npos);
  CHECK(list().find("\"nextDue\":\"" + due + "\"") != std::string::npos);
  CHECK(list().find("\"evidence\":{\"bytes\":4.2E1}") != std::string::npos);
  // A run without this number: its series ends.
  hear("task_evidence", std::numeric_limits<double>::quiet_NaN());
  hear("task_enabled", 0);
  CHECK(list().find("\"evidence\":{}") != std::string::npos);
  CHECK(list().find("\"nextDue\":null") != std::string::npos);
}

}  // namespace
}  // namespace tocsin::alertd
