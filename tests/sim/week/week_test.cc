// Some weeks for each change; week_sim lives as many as asked for.
#include <doctest/doctest.h>

#include "tests/sim/week/checker.h"
#include "tests/sim/week/week_world.h"

namespace tocsin::week {

namespace {

constexpr std::uint64_t kSeeds = 4;

}  // namespace

TEST_CASE("week: whatever happens in a week, the promises hold") {
  std::size_t messages = 0;
  std::size_t crashes = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    INFO("week_sim --seed ", seed);
    const Plan plan = make_plan(seed);
    const Journal journal = WeekWorld(plan).run();
    messages += journal.rows.size();
    crashes += journal.crashes;
    for (const Violation& each : check(plan, journal)) {
      FAIL_CHECK(base::format_rfc3339(each.at), " ", each.promise, ": ", each.text);
    }
  }
  CHECK(messages > 100 * kSeeds);
  CHECK(crashes > 0);
}

TEST_CASE("week: the same seed gives the same week") {
  const Plan plan = make_plan(4);
  const Journal one = WeekWorld(plan).run();
  const Journal other = WeekWorld(plan).run();
  CHECK(one.hash == other.hash);
  CHECK(one.sends.size() == other.sends.size());
  CHECK(one.log == other.log);
}

}  // namespace tocsin::week
