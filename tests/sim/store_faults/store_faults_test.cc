// A few seconds of what store_faults_sim does for as long as one likes.
#include <doctest/doctest.h>
#include <fmt/ranges.h>

#include "common/base/process.h"
#include "common/base/strings.h"
#include "tests/sim/store_faults/faults.h"

namespace tocsin::store_faults {
namespace {

/// TOCSIN_STORE_SEEDS=FROM-TO, or a few.
std::pair<std::uint64_t, std::uint64_t> seeds(std::uint64_t few) {
  const std::string range = base::environment("TOCSIN_STORE_SEEDS").value_or("");
  const std::size_t dash = range.find('-');
  if (dash == std::string::npos) return {1, few};
  return {base::parse_u64(range.substr(0, dash)).value_or(1),
          base::parse_u64(range.substr(dash + 1)).value_or(few)};
}

template <class Run>
void each_seed(std::uint64_t few, const Run& run) {
  const auto [first, last] = seeds(few);
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    const std::vector<std::string> found = run(seed);
    INFO(fmt::format("{}", fmt::join(found, "\n")));
    REQUIRE(found.empty());
  }
}

TEST_CASE("random faults and power losses") {
  each_seed(60, [](std::uint64_t seed) { return live(seed, {.steps = 100}); });
}

TEST_CASE("the n-th operation on the disk fails") {
  each_seed(3, [](std::uint64_t seed) { return sweep(seed, {.steps = 30, .every = 3}); });
}

TEST_CASE("the n-th read of a start fails") {
  each_seed(10, [](std::uint64_t seed) { return sweep_reads(seed, {.steps = 40}); });
}

TEST_CASE("flipped bytes and cut files") {
  each_seed(2, [](std::uint64_t seed) { return damage(seed, {.steps = 60, .every = 23}); });
}

}  // namespace
}  // namespace tocsin::store_faults
