// Rules, incidents, agents and the daemon itself, as they look from outside.
#include <doctest/doctest.h>

#include "alertd/api/test_support.h"

namespace tocsin::api {
namespace {

using model::Labels;
using test::World;

bool has(const net::ServerResponse& response, std::string_view text) {
  return response.body.find(text) != std::string::npos;
}

std::vector<RuleGroupInfo> sample_groups() {
  RuleInfo alerting;
  alerting.name = "HighLoad";
  alerting.query = "load1 > 4";
  alerting.hold = std::chrono::minutes(2);
  alerting.labels = Labels{{"severity", "high"}};
  alerting.state = "firing";
  alerting.health = "ok";
  alerting.evaluation_time = base::Duration{2};
  alerting.last_evaluation = base::wall_time(1'700'000'000'000);
  alerting.alerts = {{Labels{{"alertname", "HighLoad"}, {"host", "a\xff"}},
                      Labels{{"summary", "load is 5"}},
                      "firing",
                      base::wall_time(1'699'999'000'000),
                      {},
                      5}};
  RuleInfo recording;
  recording.alerting = false;
  recording.name = "job:up:sum";
  recording.query = "sum by (job) (up)";
  RuleGroupInfo group;
  group.name = "host";
  group.file = "rules/host.toml";
  group.interval = std::chrono::seconds(15);
  group.rules = {alerting, recording};
  return {group};
}

TEST_CASE("rules and alerts") {
  World world;
  world.daemon.rule_groups = sample_groups();
  auto response = world.get("/api/v1/rules");
  CHECK(response.status == 200);
  CHECK(has(response, R"({"status":"success","data":{"groups":[{"name":"host",)"));
  CHECK(
      has(response, R"("state":"firing","name":"HighLoad","query":"load1 > 4","duration":1.2E2)"));
  CHECK(has(response,
            R"("health":"ok","evaluationTime":2E-3,"lastEvaluation":"2023-11-14T22:13:20Z")"));
  CHECK(has(response, R"("type":"recording")"));
  CHECK(has(response, R"("lastEvaluation":"0001-01-01T00:00:00Z")"));
  CHECK_FALSE(has(world.get("/api/v1/rules", {{"type", "record"}}), "HighLoad"));
  CHECK_FALSE(has(world.get("/api/v1/rules", {{"rule_group[]", "other"}}), "HighLoad"));
  CHECK(has(world.get("/api/v1/rules", {{"rule_name[]", "HighLoad"}}), "HighLoad"));
  CHECK(world.get("/api/v1/rules", {{"type", "x"}}).status == 400);

  response = world.get("/api/v1/alerts");
  CHECK(response.body ==
        "{\"status\":\"success\",\"data\":{\"alerts\":[{\"labels\":{\"alertname\":\"HighLoad\","
        "\"host\":\"a\xEF\xBF\xBD\"},\"annotations\":{\"summary\":\"load is "
        "5\"},\"state\":\"firing\","
        "\"activeAt\":\"2023-11-14T21:56:40Z\",\"value\":\"5e+00\"}]}}\n");
}

TEST_CASE("incidents: list, one, acknowledge, resolve") {
  World world;
  IncidentInfo incident;
  incident.id = "T-1042";
  incident.title = "disk full";
  incident.state = "open";
  incident.severity = model::Severity::High;
  incident.timeline = {{base::wall_time(0), "opened", "", "alert fired"}};
  world.daemon.incident_list = {incident};

  auto response = world.get("/api/v1/incidents", {{"state", "unresolved"}, {"severity", "high"}});
  CHECK(has(response, R"("id":"T-1042","title":"disk full","state":"open","severity":"high")"));
  CHECK_FALSE(has(response, "timeline"));
  CHECK(world.daemon.filter.state == "unresolved");
  CHECK(world.daemon.filter.severity == model::Severity::High);
  CHECK(world.get("/api/v1/incidents", {{"state", "x"}}).status == 400);
  CHECK(world.get("/api/v1/incidents", {{"severity", "page"}}).status == 400);
  CHECK(world.get("/api/v1/incidents", {{"limit", "1001"}}).status == 400);

  CHECK(has(world.get("/api/v1/incidents/T-1042"), R"("text":"alert fired")"));
  CHECK(world.get("/api/v1/incidents/T-9").status == 404);

  response = world.ask(
      World::json("/api/v1/incidents/T-1042/ack", R"({"by":"ann","comment":"on it","for":"2h"})"));
  CHECK(response.status == 200);
  CHECK(world.daemon.command.by == "ann");
  CHECK(world.daemon.command.comment == "on it");
  CHECK(world.daemon.command.hold == std::chrono::hours(2));
  CHECK(world.daemon.command.source == "api 127.0.0.1 local");
  CHECK(world.ask(World::json("/api/v1/incidents/T-1042/resolve", R"({"by":"ann"})")).status ==
        200);
  CHECK(world.ask(World::json("/api/v1/incidents/T-9/ack", R"({"by":"ann"})")).status == 404);
}

TEST_CASE("incidents: what else a person does") {
  World world;
  IncidentInfo incident;
  incident.id = "T-1042";
  incident.owner = "ann";
  world.daemon.incident_list = {incident};
  const auto act = [&](std::string action, std::string body) {
    return world.ask(World::json("/api/v1/incidents/T-1042/" + action, std::move(body)));
  };
  CHECK(has(act("snooze", R"({"by":"ann","for":"2h"})"), R"("owner":"ann")"));
  CHECK(world.daemon.action == IncidentAction::Snooze);
  CHECK(world.daemon.command.hold == std::chrono::hours(2));
  CHECK(act("merge", R"({"by":"ann","into":"T-1"})").status == 200);
  CHECK(world.daemon.command.target == "T-1");
  CHECK(act("severity", R"({"by":"ann","severity":"low"})").status == 200);
  CHECK(world.daemon.command.severity == model::Severity::Low);
  CHECK(act("owner", R"({"by":"ann","owner":"ben"})").status == 200);
  CHECK(world.daemon.command.target == "ben");
  CHECK(act("note", R"({"by":"ann","comment":"restarted it"})").status == 200);
  for (const char* plain : {"unack", "unsnooze", "unmerge", "mitigate", "review"}) {
    CAPTURE(plain);
    CHECK(act(plain, R"({"by":"ann"})").status == 200);
  }
  CHECK(world.daemon.action == IncidentAction::Review);
  CHECK(world.daemon.command.source == "api 127.0.0.1 local");
  CHECK(has(act("merge", R"({"by":"ann"})"), "'into' is missing"));
  CHECK(has(act("note", R"({"by":"ann"})"), "'comment' is missing"));
  CHECK(has(act("severity", R"({"by":"ann","severity":"bad"})"), "'severity' is none of"));
  CHECK(has(act("snooze", R"({"by":"ann","for":"31d"})"), "at most 30d"));
  CHECK(has(act("snooze", R"({"for":"1h"})"), "'by' is missing"));
  CHECK(world
            .ask(World::json("/api/v1/incidents", R"({"by":"ann","title":"slow","severity":"high",)"
                                                  R"("labels":{"service":"shop"}})"))
            .status == 200);
  CHECK(world.daemon.action == IncidentAction::Create);
  CHECK(world.daemon.command.labels == Labels{{"service", "shop"}});
  CHECK(has(world.ask(World::json("/api/v1/incidents", R"({"by":"ann","severity":"high"})")),
            "'title' is missing"));
}

TEST_CASE("bodies that are refused") {
  World world;
  const auto refusal = [&](std::string body) {
    const auto response = world.ask(World::json("/api/v1/incidents/T-1/ack", std::move(body)));
    CHECK(response.status == 400);
    return response;
  };
  CHECK(has(refusal(""), "'by' is missing"));
  CHECK(has(refusal("{"), "not JSON"));
  CHECK(has(refusal("[]"), "must be a JSON object"));
  CHECK(has(refusal(R"({"by":1})"), "'by' must be a text"));
  CHECK(has(refusal(R"({"by":{"a":"b"}})"), "'by' must be a text"));
  CHECK(has(refusal(R"({"by":"a","coment":"x"})"), "did you mean 'comment'?"));
  CHECK(has(refusal(R"({"by":"a","for":"0s"})"), "'for'"));
  CHECK(has(refusal(R"({"by":"a","for":"31d"})"), "30d"));
  CHECK(has(refusal(R"({"by":")" + std::string(201, 'x') + "\"}"), "limit 200"));
  CHECK(has(refusal(std::string(1000, '[')), "not JSON"));
  auto form = World::json("/api/v1/incidents/T-1/ack", R"({"by":"a"})");
  form.headers.back().second = "text/plain";
  CHECK(has(world.ask(form), "Content-Type"));
}

TEST_CASE("agents: the token is shown once") {
  World world;
  auto response =
      world.ask(World::json("/api/v1/agents", R"({"name":"db1","labels":{"env":"prod"}})"));
  CHECK(response.status == 201);
  CHECK(has(response, R"("token":"tk-secret")"));
  response = world.get("/api/v1/agents");
  CHECK(has(response, R"("name":"db1","labels":{"env":"prod"})"));
  CHECK_FALSE(has(response, "tk-secret"));
  CHECK(world.ask(World::json("/api/v1/agents", R"({"name":"db1"})")).status == 400);
  CHECK(world.ask(World::json("/api/v1/agents", R"({"name":"../x"})")).status == 400);
  CHECK(world.ask(World::json("/api/v1/agents", R"({"name":"a","labels":"x"})")).status == 400);
  CHECK(world.ask(World::json("/api/v1/agents", R"({"name":"a","labels":{"__name__":"x"}})"))
            .status == 400);
  CHECK(world.ask(World::request("DELETE", "/api/v1/agents/db1")).status == 200);
  CHECK(world.ask(World::request("DELETE", "/api/v1/agents/db1")).status == 404);
  CHECK(world.ask(World::request("DELETE", "/api/v1/agents")).status == 400);
}

TEST_CASE("status, readiness, metrics") {
  World world;
  world.daemon.status_info.started_at = base::wall_time(1'700'000'000'000 - 3'600'500);
  world.daemon.status_info.store = {{"series", 3}};
  auto response = world.get("/api/v1/status");
  CHECK(has(response, R"("health":"healthy")"));
  CHECK(has(response, R"("uptime":"1h")"));
  CHECK(has(response, R"("store":{"series":3E0})"));
  world.daemon.status_info.parts = {{"mail", false, "refused"}};
  CHECK(has(world.get("/api/v1/status"), R"("health":"degraded")"));
  CHECK(has(world.get("/api/v1/status/buildinfo"), R"("application":"tocsin-alertd")"));
  CHECK(world.get("/-/healthy").status == 200);
  CHECK(world.get("/-/ready").status == 200);
  world.daemon.status_info.ready = false;
  CHECK(world.get("/-/ready").status == 503);
  response = world.get("/metrics");
  CHECK(response.content_type == "text/plain; version=0.0.4; charset=utf-8");
  CHECK(has(response, "tocsin_alertd_api_requests_total{code=\"503\",route=\"/-/ready\"} 1"));
}

TEST_CASE("reload, channel test, write") {
  World world;
  auto response = world.ask(World::request("POST", "/-/reload"));
  CHECK(has(response, R"({"generation":7,"rules":12,"warnings":["w"]})"));
  CHECK(world.daemon.source == "api 127.0.0.1 local");
  world.daemon.reload_error.message = "rules/a.toml:3:1: unknown key";
  response = world.ask(World::request("POST", "/-/reload"));
  CHECK(response.status == 400);
  CHECK(has(response, "rules/a.toml:3:1"));

  auto test = World::request("POST", "/api/v1/notify/test");
  CHECK(world.ask(test).status == 400);
  test.query = {{"channel", "mail"}};
  CHECK(has(world.ask(test), R"("delivered":true,"detail":"250 queued","seconds":1.5E0)"));
  test.query = {{"channel", "pager"}};
  CHECK(world.ask(test).status == 404);
  CHECK(world.ask(World::request("POST", "/api/v1/write")).status == 204);
}

}  // namespace
}  // namespace tocsin::api
