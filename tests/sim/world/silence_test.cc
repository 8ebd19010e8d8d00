// Silence and restarts through the whole daemon: who is told what when hosts vanish or alertd does.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/sim/world/sim_world.h"

namespace tocsin::sim {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using Told = std::vector<std::string>;

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

const std::string kRules = R"(
[[group]]
name = "test"

[[group.alert]]
name = "Door"
expr = 'door_open == 1'
severity = "critical"

[[group.alert]]
name = "Hot"
expr = 'temperature > 90'
severity = "medium"
for = "1m"
keep_firing_for = "15m"

[[group]]
name = "at once"
interval = "on-data"
min_interval = "0s"

[[group.alert]]
name = "Smoke"
expr = 'smoke > 0'
severity = "medium"
)";

/// Asks the daemon's API from its own machine.
net::ServerResponse ask(SimWorld& world, const std::string& method, const std::string& path,
                        const std::string& body = {}) {
  net::ServerRequest request;
  request.method = method;
  request.path = path;
  request.body = body;
  request.headers.emplace_back("content-type", "application/json");
  request.peer_address = "127.0.0.1";
  request.peer_is_loopback = true;
  const auto answer = std::make_shared<net::ServerResponse>();
  answer->status = 0;
  world.alertd().handle(std::move(request),
                        [answer](net::ServerResponse response) { *answer = std::move(response); });
  world.run_for(seconds(1));
  return *answer;
}

std::string first_incident(SimWorld& world) {
  const std::string list = ask(world, "GET", "/api/v1/incidents").body;
  const std::size_t at = list.find("\"T-");
  REQUIRE(at != std::string::npos);
  return list.substr(at + 1, list.find('"', at + 1) - at - 1);
}

}  // namespace

TEST_CASE(
    "a host in good health that falls silent raises the alert that would not see it any more") {
  SimWorld world(kConfig, kRules);
  world.values = {{"door_open", 0}, {"temperature", 20}};
  world.start_alertd();
  world.start_agent("db1");
  world.run_for(minutes(10));
  world.crash_agent();
  world.run_for(minutes(9));  // five until the last sample is stale, five of silence
  CHECK(world.told("Door").empty());
  world.run_for(minutes(4));
  REQUIRE(world.told("Door") == Told{"firing"});
  CHECK(world.hooks().back().body.find("no_data") != std::string::npos);
  CHECK(world.told("Hot").empty());  // of medium severity: not its business

  // The daemon's restart neither repeats nor ends it.
  world.crash_alertd();
  world.run_for(minutes(2));
  world.start_alertd();
  world.run_for(minutes(10));
  CHECK(world.told("Door") == Told{"firing"});
  world.start_agent("db1");
  world.run_for(minutes(5));
  CHECK(world.told("Door") == Told{"firing", "resolved"});
}

TEST_CASE("a host that falls silent while alertd is away is missed all the same") {
  SimWorld world(kConfig, kRules);
  world.values = {{"door_open", 0}, {"temperature", 20}};
  world.start_alertd();
  world.start_agent("db1");
  world.run_for(minutes(10));
  world.crash_alertd();
  world.crash_agent();
  world.run_for(minutes(20));
  world.start_alertd();
  world.run_for(minutes(4));
  CHECK(world.told("Door").empty());  // senders have time to come back
  world.run_for(minutes(4));
  CHECK(world.told("Door") == Told{"firing"});
}

TEST_CASE("keep_firing_for and a firing alert with a short for survive a restart") {
  SimWorld world(kConfig, kRules);
  world.values = {{"door_open", 0}, {"temperature", 95}};
  world.start_alertd();
  world.start_agent("db1");
  world.run_for(minutes(5));
  REQUIRE(world.told("Hot") == Told{"firing"});
  world.crash_alertd();
  world.run_for(minutes(3));
  world.start_alertd();
  world.run_for(minutes(5));
  CHECK(world.told("Hot") == Told{"firing"});
  // The condition ends; it fires on for 15 minutes, over a second restart.
  world.values["temperature"] = 20;
  world.run_for(minutes(5));
  world.crash_alertd();
  world.run_for(minutes(3));
  world.start_alertd();
  world.run_for(minutes(3));
  CHECK(world.told("Hot") == Told{"firing"});
  world.run_for(minutes(20));
  CHECK(world.told("Hot") == Told{"firing", "resolved"});
}

TEST_CASE("on data: the page leaves in the moment in which the sample arrives") {
  SimWorld world(kConfig, kRules);
  world.values = {{"smoke", 0}};
  world.start_alertd();
  world.start_agent("db1");
  world.run_for(minutes(3));
  world.values["smoke"] = 1;
  const base::WallTime before = world.now();
  world.run_for(minutes(1));
  REQUIRE(world.told("Smoke") == Told{"firing"});
  const auto samples = world.samples("smoke", minutes(2));
  const auto first = std::find_if(samples.begin(), samples.end(),
                                  [](const model::Sample& sample) { return sample.value > 0; });
  REQUIRE(first != samples.end());
  const base::WallTime sampled = base::wall_time(first->timestamp_ms);
  CHECK(sampled >= before);
  // The agent samples every 15 s and sends at once; nothing on the way waits for a slot.
  CHECK(world.hooks().back().at - sampled < seconds(2));
}

TEST_CASE("an incident resolved by hand while its alert fires: told once, quiet, then reopened") {
  SimWorld world(kConfig, kRules);
  world.values = {{"door_open", 1}};
  world.start_alertd();
  world.start_agent("db1");
  world.run_for(minutes(10));
  REQUIRE(world.told("Door") == Told{"firing"});
  const std::string id = first_incident(world);
  CHECK(ask(world, "POST", "/api/v1/incidents/" + id + "/resolve", R"({"by":"ann"})").status ==
        200);
  // manual_hold is 15 minutes; critical repeats would come each hour.
  world.run_for(minutes(14));
  CHECK(world.told("Door") == Told{"firing", "resolved"});
  world.run_for(minutes(2));
  CHECK(world.told("Door") == Told{"firing", "resolved", "firing"});
  CHECK(world.hooks().back().body.find(id) != std::string::npos);  // the same incident
}

TEST_CASE("whoever closes the incident of a silent host ends the wait for it") {
  SimWorld world(kConfig, kRules);
  world.values = {{"door_open", 0}};
  world.start_alertd();
  world.start_agent("db1");
  world.run_for(minutes(10));
  world.crash_agent();
  world.run_for(minutes(14));
  REQUIRE(world.told("Door") == Told{"firing"});
  const std::string id = first_incident(world);
  CHECK(ask(world, "POST", "/api/v1/incidents/" + id + "/resolve", R"({"by":"ann"})").status ==
        200);
  world.run_for(minutes(2));
  const std::size_t said = world.hooks().size();
  world.run_for(minutes(60));
  CHECK(world.hooks().size() == said);  // neither reopened nor told again
  const auto groups = world.alertd().rules().groups;
  for (const auto& group : groups) {
    for (const auto& rule : group->rules) CHECK(rule.alerts.empty());
  }
}

TEST_CASE("a host whose agent is removed is not waited for") {
  SimWorld world(kConfig, kRules);
  world.values = {{"door_open", 0}};
  world.start_alertd();
  REQUIRE(ask(world, "POST", "/api/v1/agents", R"({"name":"db1"})").status / 100 == 2);
  world.start_agent("db1");
  world.run_for(minutes(10));
  world.crash_agent();
  CHECK(ask(world, "DELETE", "/api/v1/agents/db1").status / 100 == 2);
  world.run_for(minutes(60));
  CHECK(world.told("Door").empty());
}

}  // namespace tocsin::sim
