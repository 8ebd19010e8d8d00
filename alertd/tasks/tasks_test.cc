// The dead-man clock, pure.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>

#include "alertd/tasks/book_codec.h"
#include "alertd/tasks/clock_watch.h"
#include "alertd/tasks/task_book.h"

namespace tocsin::tasks {
namespace {

using base::Duration;
using base::WallTime;

constexpr WallTime kBegin = base::wall_time(1'800'000'000'000);
const TaskKey kKey{"db1", "backup"};

struct Bench {
  void tell(const char* metric, double value, Duration after = Duration{0}) {
    CHECK(book.take({.host = "db1",
                     .task = "backup",
                     .metric = metric,
                     .value = value,
                     .timestamp_ms = base::to_ms(now + after),
                     .owner = "dba",
                     .on_missed = "critical",
                     .on_failed = "high",
                     .on_overrun = "low"},
                    now + after));
  }
  void round(double max_age = 3600, double max_duration = 600) {
    tell("task_info", 1);
    tell("task_enabled", 1);
    tell("task_registered_timestamp_seconds", base::to_seconds(kBegin));
    tell("task_max_age_seconds", max_age);
    tell("task_max_duration_seconds", max_duration);
    tell("task_running", 0);
  }
  const Task& judged(Duration later = Duration{0}, bool frozen = false) {
    now += later;
    verdicts = book.judge(now, frozen);
    return book.tasks().at(kKey);
  }

  TaskBook book;
  WallTime now = kBegin;
  std::vector<Verdict> verdicts;
};

TEST_CASE("overdue: after the last success, without any further sample") {
  Bench bench;
  bench.round();
  bench.tell("task_last_success_timestamp_seconds", base::to_seconds(kBegin));
  CHECK_FALSE(bench.judged(std::chrono::seconds(3600)).overdue);
  // The agent is gone: no sample comes.
  const Task& task = bench.judged(std::chrono::seconds(1));
  CHECK(task.overdue);
  CHECK(task.owner == "dba");
  CHECK_FALSE(bench.verdicts.front().never_succeeded);
  CHECK(bench.verdicts.front().age_seconds == 3601);
  CHECK(level(task.overdue, task.on_missed) == 4);
  bench.tell("task_last_success_timestamp_seconds", base::to_seconds(bench.now));
  CHECK_FALSE(bench.judged().overdue);
}

TEST_CASE("never succeeded: overdue from the day it was installed") {
  Bench bench;
  bench.round();
  CHECK_FALSE(bench.judged(std::chrono::seconds(3600)).overdue);
  CHECK(bench.judged(std::chrono::seconds(1)).overdue);
  CHECK(bench.verdicts.front().never_succeeded);
}

TEST_CASE("a success in the future is one of now, and none moves back") {
  Bench bench;
  bench.round();
  bench.tell("task_last_success_timestamp_seconds", base::to_seconds(kBegin) + 1e9);
  CHECK(bench.judged().last_success_ms == base::to_ms(kBegin));
  bench.tell("task_last_success_timestamp_seconds", 5);
  CHECK(bench.judged().last_success_ms == base::to_ms(kBegin));
  bench.tell("task_last_success_timestamp_seconds", std::nan(""));
  CHECK(bench.judged().last_success_ms == base::to_ms(kBegin));
}

TEST_CASE("frozen: nothing new is raised, what ends is ended") {
  Bench bench;
  bench.round();
  CHECK_FALSE(bench.judged(std::chrono::hours(2), true).overdue);
  CHECK(bench.judged(Duration{0}, false).overdue);
  CHECK(bench.judged(Duration{0}, true).overdue);  // was before
  bench.tell("task_last_success_timestamp_seconds", base::to_seconds(bench.now));
  CHECK_FALSE(bench.judged(Duration{0}, true).overdue);
}

TEST_CASE("hung: a start without an end, by agents and by heartbeats") {
  Bench bench;
  bench.round();
  bench.tell("task_running", 1);
  bench.tell("task_running_since_timestamp_seconds", base::to_seconds(bench.now));
  CHECK_FALSE(bench.judged(std::chrono::seconds(600)).hung);
  CHECK(bench.judged(std::chrono::seconds(1)).hung);
  bench.round();
  CHECK_FALSE(bench.judged().hung);
  REQUIRE(bench.book.beat(kKey, Beat::Start, {}, bench.now));
  CHECK(bench.judged(std::chrono::seconds(601)).hung);
  // A second start does not put the alarm off.
  REQUIRE(bench.book.beat(kKey, Beat::Start, {}, bench.now));
  CHECK(bench.judged().hung);
  REQUIRE(bench.book.beat(kKey, Beat::Success, {}, bench.now));
  CHECK_FALSE(bench.judged().hung);
  CHECK_FALSE(bench.judged().failed);
}

TEST_CASE("failed: the newest of agent and heartbeat counts") {
  Bench bench;
  bench.round();
  bench.tell("task_last_run_timestamp_seconds", base::to_seconds(bench.now));
  bench.tell("task_last_run_successful", 0);
  CHECK(bench.judged(std::chrono::seconds(5)).failed);
  REQUIRE(bench.book.beat(kKey, Beat::Success, {}, bench.now));
  CHECK_FALSE(bench.judged(std::chrono::seconds(5)).failed);
  REQUIRE(bench.book.beat(kKey, Beat::Failure, {}, bench.now));
  CHECK(bench.judged(std::chrono::seconds(5)).failed);
  bench.tell("task_last_run_timestamp_seconds", base::to_seconds(bench.now));
  bench.tell("task_last_run_successful", 1);
  CHECK_FALSE(bench.judged().failed);
}

TEST_CASE("heartbeats alone: terms come with them") {
  TaskBook book;
  const TaskKey key{"web1", "sync"};
  BeatTerms terms;
  terms.max_age = std::chrono::minutes(30);
  terms.severity = model::Severity::Low;
  REQUIRE(book.beat(key, Beat::Success, terms, kBegin));
  book.judge(kBegin + std::chrono::minutes(30), false);
  CHECK_FALSE(book.tasks().at(key).overdue);
  book.judge(kBegin + std::chrono::minutes(31), false);
  CHECK(book.tasks().at(key).overdue);
  CHECK(book.tasks().at(key).on_missed == model::Severity::Low);
  // They stay if the next beat does not name them.
  REQUIRE(book.beat(key, Beat::Success, {}, kBegin + std::chrono::minutes(31)));
  CHECK(book.tasks().at(key).max_age_ms == 30 * 60 * 1000);
}

TEST_CASE("a limit that is told no more, and a task that is switched off") {
  Bench bench;
  bench.round();
  CHECK(bench.judged(std::chrono::hours(2)).overdue);
  bench.tell("task_info", 1);
  CHECK_FALSE(bench.judged().overdue);
  bench.round();
  CHECK(bench.judged().overdue);
  bench.tell("task_enabled", 0);
  bench.judged();
  CHECK(bench.verdicts.empty());
}

TEST_CASE("old samples that come late change nothing") {
  Bench bench;
  bench.now += std::chrono::hours(1);
  bench.round();
  bench.tell("task_running", 1, -std::chrono::minutes(30));
  CHECK_FALSE(bench.judged().running);
}

TEST_CASE("a host whose clock was ahead once is heard all the same") {
  Bench bench;
  bench.round();
  CHECK(bench.book.take({.host = "db1",
                         .task = "backup",
                         .metric = "task_info",
                         .value = 1,
                         .timestamp_ms = base::to_ms(bench.now) + 7'200'000},
                        bench.now));
  bench.now += std::chrono::minutes(1);
  bench.tell("task_running", 1);
  CHECK(bench.judged().running);
}

TEST_CASE("forgotten: not configured any more while its agent is heard, never while it is silent") {
  Bench bench;
  bench.round();
  const WallTime told = bench.now;
  const auto at = [&](Duration later, Duration heard_for = std::chrono::hours(1)) {
    return [=](const std::string&) {
      return std::optional(HeardHost{told + later - heard_for, told + later});
    };
  };
  const auto silent = [](const std::string&) { return std::optional<HeardHost>(); };
  CHECK(bench.book.forget_unconfigured(silent).empty());
  CHECK(bench.book.forget_unconfigured(at(std::chrono::minutes(14))).empty());
  // It was silent, and the first part of its first round is here.
  CHECK(bench.book.forget_unconfigured(at(std::chrono::hours(9), Duration{0})).empty());
  CHECK(bench.book.forget_unconfigured(at(std::chrono::minutes(16))) == std::vector{kKey});
  CHECK(bench.book.tasks().empty());
  // Heartbeats come from elsewhere.
  REQUIRE(bench.book.beat(kKey, Beat::Success, {}, told));
  CHECK(bench.book.forget_unconfigured(at(std::chrono::hours(24))).empty());
  bench.book.forget_host("db1");
  CHECK(bench.book.tasks().empty());
}

TEST_CASE("bounded, and known by task_info only") {
  TaskBook book;
  CHECK(book.take({.host = "h", .task = "x", .metric = "task_running", .value = 1}, kBegin));
  CHECK(book.tasks().empty());
  for (int i = 0; i < 500; ++i) {
    REQUIRE(book.beat({"h", fmt::format("t{}", i)}, Beat::Start, {}, kBegin));
  }
  CHECK(book.beat({"h", "more"}, Beat::Start, {}, kBegin).error().code ==
        base::ErrorCode::LimitExceeded);
  CHECK_FALSE(book.take({.host = "h", .task = "y", .metric = "task_info", .value = 1}, kBegin));
  CHECK(book.beat({"i", "more"}, Beat::Start, {}, kBegin));
}

TEST_CASE("the book as a file") {
  Bench bench;
  bench.round();
  bench.tell("task_last_run_successful", 0);
  bench.judged(std::chrono::hours(2));
  const SavedBook saved = decode_book(encode_book(bench.book.tasks(), bench.now)).value();
  CHECK(saved.saved_ms == base::to_ms(bench.now));
  CHECK(saved.tasks == bench.book.tasks());
  CHECK(saved.tasks.at(kKey).overdue);
  CHECK_FALSE(decode_book("{\"tasks\":[]}"));
  CHECK_FALSE(decode_book("nothing"));
}

TEST_CASE("the clock: jumps either way, not drift, not the passing of time") {
  ClockWatch watch;
  WallTime wall = kBegin;
  base::MonotonicTime monotonic{};
  CHECK_FALSE(watch.look(wall, monotonic));
  CHECK_FALSE(watch.look(wall += std::chrono::hours(9), monotonic += std::chrono::hours(9)));
  wall += std::chrono::minutes(5);
  CHECK_FALSE(watch.look(wall, monotonic));
  wall += std::chrono::minutes(61);
  monotonic += std::chrono::minutes(1);
  CHECK(watch.look(wall, monotonic) == Duration(std::chrono::minutes(60)));
  wall -= std::chrono::minutes(60);
  CHECK(watch.look(wall, monotonic) == Duration(-std::chrono::minutes(60)));
  CHECK_FALSE(watch.look(wall, monotonic));
}

}  // namespace
}  // namespace tocsin::tasks
