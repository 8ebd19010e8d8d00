// Outages in simulated time: what the agent keeps, what alertd says, and what nobody may be told.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/sim/world/sim_world.h"

namespace tocsin::sim {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const std::string kConfig = R"(
[store]
path = "/alertd"
[rules]
paths = ["/rules"]
interval = "15s"
[[receiver]]
name = "ops"
[[receiver.webhook]]
url = "http://hooks.test/hook"
[route]
receiver = "ops"
group_by = ["alertname", "instance"]
group_wait = "0s"
)";

// As shipped in rules/agent.toml, and two conditions over the agent's own samples: one that is true
// all the time and one that never is.
const std::string kRules = R"(
[[group]]
name = "test"

[[group.alert]]
name = "AgentSilent"
expr = '''
  time() - max by (host, instance) (
    last_over_time(tocsin_agent_heartbeat_timestamp_seconds[1h])) > 120
'''
for = "2m"
severity = "critical"
summary = "{{ $labels.host }} is silent"

[[group.alert]]
name = "Hot"
value = 'temperature'
high = { above = 90 }
summary = "{{ $value }}"

[[group.alert]]
name = "Falling"
expr = 'delta(steady[5m]) < 0'
severity = "high"
summary = "{{ $value }}"
)";

}  // namespace

TEST_CASE(
    "alertd is down for five minutes: all is caught up in order and nobody is told anything") {
  SimWorld world(kConfig, kRules);
  world.values = {{"temperature", 20}, {"steady", 1}};
  world.start_alertd();
  world.start_agent("db1");
  world.run_for(minutes(10));
  const base::WallTime down_at = world.now();
  world.crash_alertd();
  for (int i = 0; i < 300; ++i) {
    world.values["steady"] += 1;
    world.run_for(seconds(1));
  }
  world.start_alertd();
  world.run_for(minutes(10));

  const auto samples = world.samples("steady", minutes(25));
  REQUIRE(samples.size() > 80);  // a sample every 15 s for 25 minutes, less the start
  CHECK(std::is_sorted(samples.begin(), samples.end(),
                       [](auto& a, auto& b) { return a.timestamp_ms < b.timestamp_ms; }));
  std::size_t during_outage = 0;
  for (std::size_t i = 1; i < samples.size(); ++i) {
    CHECK(samples[i].timestamp_ms - samples[i - 1].timestamp_ms == 15'000);
    const auto at = base::wall_time(samples[i].timestamp_ms);
    if (at > down_at && at <= down_at + minutes(5)) ++during_outage;
  }
  CHECK(during_outage == 20);
  CHECK(world.told("AgentSilent").empty());
  CHECK(world.told("Falling").empty());
  CHECK(world.hooks().empty());
}

TEST_CASE("what fires before an outage still fires after it, and is said once") {
  SimWorld world(kConfig, kRules);
  world.values = {{"temperature", 95}, {"steady", 1}};
  world.start_alertd();
  world.start_agent("db1");
  world.run_for(minutes(5));
  CHECK(world.told("Hot") == std::vector<std::string>{"firing"});
  world.crash_alertd();
  world.run_for(minutes(5));
  world.start_alertd();
  world.run_for(minutes(20));
  CHECK(world.told("Hot") == std::vector<std::string>{"firing"});
  world.values["temperature"] = 20;
  world.run_for(minutes(5));
  CHECK(world.told("Hot") == std::vector<std::string>{"firing", "resolved"});
}

TEST_CASE("a condition that came during the outage is told after it") {
  SimWorld world(kConfig, kRules);
  world.values = {{"temperature", 20}, {"steady", 1}};
  world.start_alertd();
  world.start_agent("db1");
  world.run_for(minutes(5));
  world.crash_alertd();
  world.values["temperature"] = 95;
  world.run_for(minutes(5));
  world.start_alertd();
  world.run_for(minutes(3));
  CHECK(world.told("Hot") == std::vector<std::string>{"firing"});
}

TEST_CASE("a killed agent raises the alert with the host's name; its return resolves it") {
  SimWorld world(kConfig, kRules);
  world.values = {{"temperature", 20}, {"steady", 1}};
  world.start_alertd();
  world.start_agent("db1");
  world.run_for(minutes(5));
  world.crash_agent();
  world.run_for(minutes(6));
  REQUIRE(world.told("AgentSilent") == std::vector<std::string>{"firing"});
  CHECK(world.hooks().back().body.find("\"host\":\"db1\"") != std::string::npos);
  world.start_agent("db1");
  world.run_for(minutes(3));
  CHECK(world.told("AgentSilent") == std::vector<std::string>{"firing", "resolved"});
}

TEST_CASE("fifty crashes of alertd: every alert is told once, every acknowledged sample stays") {
  SimWorld world(kConfig, kRules);
  world.values = {{"temperature", 20}, {"steady", 0}};
  world.start_alertd();
  world.start_agent("db1");
  const auto dice = base::make_seeded_random(11);
  std::vector<std::string> expected;
  for (int crash = 0; crash < 50; ++crash) {
    if (crash % 10 == 2) {
      world.values["temperature"] = 95;
      expected.emplace_back("firing");
    }
    if (crash % 10 == 7) {
      world.values["temperature"] = 20;
      expected.emplace_back("resolved");
    }
    world.values["steady"] += 1;
    world.run_for(base::Duration{20'000 + static_cast<std::int64_t>(dice->below(60'000))});
    world.crash_alertd();
    world.run_for(base::Duration{static_cast<std::int64_t>(dice->below(5'000))});
    world.start_alertd();
  }
  world.run_for(minutes(10));
  CHECK(world.told("Hot") == expected);
  CHECK(world.told("Falling").empty());
  const auto samples = world.samples("steady", minutes(60));
  REQUIRE(samples.size() > 100);
  for (std::size_t i = 1; i < samples.size(); ++i) {
    CHECK(samples[i].timestamp_ms - samples[i - 1].timestamp_ms == 15'000);
  }
}

}  // namespace tocsin::sim
