// Each promise can be broken, and the checker finds it: worlds that do one thing wrong on purpose.
#include "tests/sim/week/checker.h"

#include <doctest/doctest.h>

#include <set>

#include "tests/sim/week/oracle.h"
#include "tests/sim/week/week_world.h"

namespace tocsin::week {

using base::WallTime;
using std::chrono::hours;
using std::chrono::minutes;

namespace {

constexpr std::uint64_t kSeeds = 2;

/// Returns the promises that some of the first weeks break.
std::set<std::string> broken(Sabotage sabotage) {
  std::set<std::string> promises;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const Plan plan = make_plan(seed);
    for (const Violation& each : check(plan, WeekWorld(plan, sabotage).run())) {
      promises.insert(each.promise);
    }
  }
  return promises;
}

WallTime at(const char* text) {
  return base::parse_rfc3339(text).value();
}

}  // namespace

TEST_CASE("checker: a world that does nothing wrong breaks nothing") {
  CHECK(broken(Sabotage::None).empty());
}

TEST_CASE("checker: a message that is lost") {
  CHECK(broken(Sabotage::LosesMessages).contains("ends"));
}

TEST_CASE("checker: a message that goes out twice") {
  CHECK(broken(Sabotage::DoublesMessages).contains("once"));
}

TEST_CASE("checker: a message that is overtaken") {
  CHECK(broken(Sabotage::SwapsMessages).contains("order"));
}

TEST_CASE("checker: a silence that does not hold") {
  CHECK(broken(Sabotage::ForgetsSilences).contains("hidden"));
}

TEST_CASE("checker: steps before their time") {
  CHECK(broken(Sabotage::HurriesSteps).contains("steps"));
}

TEST_CASE("checker: steps that do not come in time") {
  CHECK(broken(Sabotage::DelaysSteps).contains("steps"));
}

TEST_CASE("checker: somebody is paged who is not on call") {
  CHECK(broken(Sabotage::WrongPersons).contains("persons"));
}

TEST_CASE("checker: an alert that nobody is told of") {
  CHECK(broken(Sabotage::IgnoresAlerts).contains("told"));
}

TEST_CASE("checker: something is hidden, and nothing says why") {
  CHECK(broken(Sabotage::ForgetsReasons).contains("told"));
}

TEST_CASE("checker: a digest that leaves out what it promised") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Plan plan = make_plan(seed);
    Journal journal = WeekWorld(plan).run();
    std::erase_if(journal.rows, [](const auto& row) {
      return row.notification.group_key.starts_with("digest:");
    });
    const std::size_t removed = std::erase_if(journal.others, [](const auto& message) {
      return message.group_key.starts_with("digest:");
    });
    if (removed == 0) continue;
    const auto found = check(plan, journal);
    CHECK(std::any_of(found.begin(), found.end(),
                      [](const Violation& each) { return each.promise == "digest"; }));
    return;
  }
  FAIL("no week had a digest");
}

TEST_CASE("oracle: clocks change") {
  CHECK(local(Zone::Berlin, at("2026-03-29T00:59:59Z")) == at("2026-03-29T01:59:59Z"));
  CHECK(local(Zone::Berlin, at("2026-03-29T01:00:00Z")) == at("2026-03-29T03:00:00Z"));
  CHECK(instant(Zone::Berlin, at("2026-03-29T02:30:00Z")) == at("2026-03-29T01:00:00Z"));
  CHECK(instant(Zone::Berlin, at("2026-10-25T02:30:00Z")) == at("2026-10-25T00:30:00Z"));
  CHECK(local(Zone::NewYork, at("2026-11-01T06:00:00Z")) == at("2026-11-01T01:00:00Z"));
  CHECK(instant(Zone::NewYork, at("2026-03-08T09:00:00Z")) == at("2026-03-08T13:00:00Z"));
}

TEST_CASE("oracle: turns change at the same time of the day, whatever the clock does") {
  ScheduleSpec schedule;
  schedule.name = "primary";
  schedule.zone = Zone::Berlin;
  schedule.persons = {"ada", "ben", "cleo"};
  schedule.rotation = hours(24);
  schedule.start = at("2026-03-27T09:00:00Z");
  CHECK(on_call(schedule, {}, at("2026-03-27T07:59:00Z")).empty());
  CHECK(on_call(schedule, {}, at("2026-03-28T07:59:00Z")) == "ada");
  CHECK(on_call(schedule, {}, at("2026-03-28T08:00:00Z")) == "ben");
  CHECK(on_call(schedule, {}, at("2026-03-29T06:59:00Z")) == "ben");
  CHECK(on_call(schedule, {}, at("2026-03-29T07:00:00Z")) == "cleo");
  const OverrideSpec over{"primary", "dora", at("2026-03-29T08:00:00Z"),
                          at("2026-03-29T10:00:00Z")};
  CHECK(on_call(schedule, {over}, at("2026-03-29T09:00:00Z")) == "dora");
  CHECK(on_call(schedule, {over}, at("2026-03-29T10:00:00Z")) == "cleo");
}

TEST_CASE("oracle: spans") {
  const WallTime zero = base::wall_time(0);
  const auto span = [zero](int from, int to) {
    return Span{zero + minutes(from), zero + minutes(to)};
  };
  const auto left = without(span(0, 60), {span(10, 20), span(15, 30), span(50, 90)});
  REQUIRE(left.size() == 2);
  CHECK(left[0].to == zero + minutes(10));
  CHECK(left[1].from == zero + minutes(30));
  CHECK(left[1].to == zero + minutes(50));
}

}  // namespace tocsin::week
