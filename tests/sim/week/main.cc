// Lives weeks and checks them: week_sim --seeds FROM-TO, or one seed with its trace.
//
//   week_sim --seeds 1-1000     one line for each breach; exit status 1 if there is one
//   week_sim --seed 17          the plan, all that happened, and the breaches
//
// See README.md of this folder.
#include <fmt/core.h>

#include <cstdio>
#include <string_view>

#include "tests/sim/seeds.h"
#include "tests/sim/week/checker.h"
#include "tests/sim/week/week_world.h"

namespace tocsin::week {
namespace {

constexpr std::uint64_t kWeeksPerReport = 25;

struct Totals {
  std::size_t weeks = 0;
  std::size_t lives = 0;
  std::size_t incidents = 0;
  std::size_t messages = 0;
  std::size_t sends = 0;
  std::size_t crashes = 0;
  std::size_t commands = 0;
  std::size_t breaches = 0;
};

void add(Totals& totals, const Plan& plan, const Journal& journal, std::size_t breaches) {
  ++totals.weeks;
  totals.lives += plan.lives.size();
  totals.incidents += journal.timelines.size();
  totals.messages += journal.rows.size();
  totals.sends += journal.sends.size();
  totals.crashes += journal.crashes;
  totals.commands += journal.commands;
  totals.breaches += breaches;
}

std::size_t run_one(std::uint64_t seed, bool whole, Totals& totals) {
  const Plan plan = make_plan(seed);
  const Journal journal = WeekWorld(plan).run();
  const std::vector<Violation> found = check(plan, journal);
  add(totals, plan, journal, found.size());
  if (whole) {
    fmt::print("{}--- what happened\n{}--- breaches\n", describe(plan),
               trace(plan, journal, {plan.start, plan.end + std::chrono::hours(48)}));
  }
  for (const Violation& each : found) {
    fmt::print("seed {}: {} {}: {}\n", seed, base::format_rfc3339(each.at), each.promise,
               each.text);
  }
  std::fflush(stdout);
  return found.size();
}

int run(const std::vector<std::string_view>& arguments) {
  Totals totals;
  const auto seeds = sim::parse_seeds(arguments);
  if (!seeds) {
    fmt::print(stderr, "usage: week_sim --seeds FROM-TO | --seed N\n");
    return 64;
  }
  std::size_t failed = 0;
  for (std::uint64_t seed = seeds->first; seed <= seeds->last; ++seed) {
    if (!seeds->story && seed != seeds->first && (seed - seeds->first) % kWeeksPerReport == 0) {
      fmt::print(stderr, "{} of {} weeks, {} failed\n", seed - seeds->first,
                 seeds->last - seeds->first + 1, failed);
    }
    if (run_one(seed, seeds->story, totals) == 0) continue;
    ++failed;
    fmt::print("seed {} fails; again with its trace: week_sim --seed {}\n", seed, seed);
  }
  fmt::print(
      "{} weeks, {} alerts, {} incidents, {} messages, {} attempts, {} crashes, {} commands: "
      "{} weeks with {} breaches\n",
      totals.weeks, totals.lives, totals.incidents, totals.messages, totals.sends, totals.crashes,
      totals.commands, failed, totals.breaches);
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tocsin::week

int main(int argc, char** argv) {
  return tocsin::week::run(std::vector<std::string_view>(argv + 1, argv + argc));
}
