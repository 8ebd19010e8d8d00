// The full measurement: backtest_day HOSTS HOURS SPACING_SECONDS RULES [fill]
//
// With "fill" the day is not lived: the store is filled and backtested, nothing is compared.
// Prints what was lived and backtested, whether the lists are equal, and what the backtest cost.
// docs/backtest.md has the figures. Not part of ctest: living a day of 200 hosts takes minutes.
#include <fmt/core.h>

#include <cstdio>
#include <map>
#include <string_view>

#include "common/base/strings.h"
#include "tests/sim/backtest/compared_day.h"

int main(int argc, char** argv) {
  using namespace tocsin;
  const bool fill = argc == 6 && std::string_view(argv[5]) == "fill";
  if (argc != 5 && !fill) {
    fmt::print(stderr, "usage: backtest_day HOSTS HOURS SPACING_SECONDS RULES [fill]\n");
    return 64;
  }
  sim::FleetOptions options;
  options.begin = base::wall_time(1'700'000'000'000);
  options.hosts = base::parse_u64(argv[1]).value_or(200);
  options.length = std::chrono::hours(base::parse_i64(argv[2]).value_or(24));
  options.spacing = std::chrono::seconds(base::parse_i64(argv[3]).value_or(15));
  const auto day = sim::compare_day(options, argv[4], fill ? sim::Live::No : sim::Live::Yes,
                                    [](const std::string& line) {
                                      fmt::print(stderr, "{}\n", line);
                                      std::fflush(stderr);
                                    });
  if (!day) {
    fmt::print(stderr, "{}\n", day.error().message);
    return 1;
  }
  std::map<std::string, std::size_t> by_rule;
  for (const backtest::Firing& firing : day->backtested) ++by_rule[std::string(firing.rule())];
  for (const auto& [rule, count] : by_rule) fmt::print("{:5} {}\n", count, rule);
  const auto lines = fill ? std::vector<std::string>{} : sim::differences(*day);
  for (const std::string& line : lines) fmt::print("{}\n", line);
  fmt::print(
      "{} hosts, {} h, a sample every {} s: {} series, {} samples ({} refused), {} "
      "incidents injected\n",
      options.hosts, argv[2], argv[3], day->series, day->samples, day->samples_refused,
      day->incidents);
  fmt::print(
      "lived: {} firings in {:.1f} s of CPU; backtested: {} firings, {} evaluations in "
      "{:.1f} s, {:.1f} s of CPU; {} differences\n",
      day->lived.size(), day->lived_seconds, day->backtested.size(), day->evaluations,
      day->backtest_seconds, day->backtest_cpu_seconds, lines.size());
  return lines.empty() ? 0 : 1;
}
