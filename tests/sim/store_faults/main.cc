// Lives of a store on a failing disk: store_faults_sim --seeds FROM-TO, or one seed with its story.
//
//   store_faults_sim --seeds 1-1000   one line for each breach; exit status 1 if there is one
//   store_faults_sim --seed 17        what it does, and the breaches
#include <fmt/core.h>

#include <cstdio>
#include <string_view>

#include "common/base/log.h"
#include "tests/sim/seeds.h"
#include "tests/sim/store_faults/faults.h"

namespace tocsin::store_faults {
namespace {

constexpr std::uint64_t kSeedsPerReport = 100;

std::size_t run_one(std::uint64_t seed, bool whole) {
  Extent life{.steps = 100 + static_cast<int>(seed % 3) * 100};
  if (whole) life.tell = [](const std::string& line) { fmt::print("{}\n", line); };
  std::vector<std::string> found = live(seed, life);
  const auto add = [&](std::vector<std::string> more) {
    found.insert(found.end(), more.begin(), more.end());
  };
  // The long ones for a part of the seeds.
  if (whole || seed % 5 == 0) add(sweep(seed, {.steps = 40}));
  if (whole || seed % 5 == 1) add(sweep_reads(seed, {.steps = 80}));
  if (whole || seed % 20 == 2) add(damage(seed, {.steps = 60, .every = 3}));
  for (const std::string& one : found) fmt::print("{}\n", one);
  std::fflush(stdout);
  return found.size();
}

int run(const std::vector<std::string_view>& arguments) {
  base::set_log_level(base::LogLevel::Error);
  const auto seeds = sim::parse_seeds(arguments);
  if (!seeds) {
    fmt::print(stderr, "usage: store_faults_sim --seeds FROM-TO | --seed N\n");
    return 64;
  }
  std::size_t failed = 0;
  for (std::uint64_t seed = seeds->first; seed <= seeds->last; ++seed) {
    if (seed != seeds->first && (seed - seeds->first) % kSeedsPerReport == 0) {
      fmt::print(stderr, "{} of {} lives, {} failed\n", seed - seeds->first,
                 seeds->last - seeds->first + 1, failed);
    }
    if (run_one(seed, seeds->story) != 0) ++failed;
  }
  fmt::print("{} lives, {} failed\n", seeds->last - seeds->first + 1, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tocsin::store_faults

int main(int argc, char** argv) {
  return tocsin::store_faults::run({argv + 1, argv + argc});
}
