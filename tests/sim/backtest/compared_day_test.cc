// The promise of `tocsin backtest`: on the same samples it lists what the daemon's engine handed
// over, to the millisecond and to each change of severity.
#include "tests/sim/backtest/compared_day.h"

#include <doctest/doctest.h>

#include <set>

namespace tocsin::sim {
namespace {

TEST_CASE("a backtest of the shipped rules lists what the daemon did on the same samples") {
  FleetOptions options;
  options.hosts = 20;
  options.begin = base::wall_time(1'700'000'000'000);
  options.length = std::chrono::hours(6);
  options.spacing = base::Duration{60'000};
  options.incidents_per_host_and_day = 24;  // six a host in these six hours
  const auto day = compare_day(options, std::string(TOCSIN_SOURCE_DIR) + "/rules", Live::Yes,
                               [](const std::string&) {});
  REQUIRE_MESSAGE(day, day.error().message);
  // 20 hosts of 51 series, the daemon's 6 and one for each host, each minute of six hours (less
  // what dead hosts did not send): some 380,000 samples.
  CHECK(day->samples > 300'000);
  CHECK(day->samples_refused == 0);
  for (const std::string& line : differences(*day)) FAIL_CHECK(line);
  CHECK(day->lived.size() == day->backtested.size());
  // It is a comparison of something: many rules fired, some through several severities.
  std::set<std::string> rules;
  std::size_t changes = 0;
  for (const backtest::Firing& firing : day->lived) {
    rules.emplace(firing.rule());
    if (firing.severities.size() > 1) ++changes;
  }
  CHECK(rules.size() >= 15);
  CHECK(day->lived.size() >= 60);
  CHECK(changes >= 10);
  for (const backtest::RuleResult& rule : day->rules) CHECK_MESSAGE(rule.failures == 0, rule.name);
}

}  // namespace
}  // namespace tocsin::sim
