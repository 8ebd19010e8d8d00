// What other programs of Prometheus's family ask beside queries.
#include <doctest/doctest.h>
#include <snappy.h>

#include "alertd/api/compress.h"
#include "alertd/api/federate_handlers.h"
#include "alertd/api/lookup_handlers.h"
#include "alertd/api/test_support.h"

namespace tocsin::api {
namespace {

using model::Labels;
using test::World;

constexpr std::int64_t kNow = 1'700'000'000'000;

bool has(const net::ServerResponse& response, std::string_view text) {
  return response.body.find(text) != std::string::npos;
}

std::string data(const std::string& text) {
  return "{\"status\":\"success\",\"data\":" + text + "}\n";
}

TEST_CASE("federation: newest samples, ended series not, names and values escaped") {
  World world;
  world.source.series = {
      {Labels{{"__name__", "up"}, {"instance", "a:1"}}, {{kNow - 60'000, 0}, {kNow - 1'000, 1}}},
      {Labels{{"__name__", "up"}, {"job", "old"}}, {{kNow - 300'000, 1}}},
      {Labels{{"__name__", "up"}, {"job", "gone"}}, {{kNow, model::stale_marker()}}},
      {Labels{{"__name__", "http.é"}, {"a\"b", "x\"y\\z\n"}}, {{kNow, 0.5}}},
      {Labels{{"job", "nameless"}}, {{kNow, 1}}},
  };
  ApiOptions options;
  options.external_labels = Labels{{"job", "outer"}, {"site", "x"}};
  world.api = world.make(options);
  auto response = world.get("/federate", {{"match[]", "up"}, {"match[]", "{__name__=~\".+\"}"}});
  CHECK(response.status == 200);
  CHECK(response.content_type == "text/plain; version=0.0.4; charset=utf-8");
  CHECK(response.body ==
        "# TYPE http__ untyped\n"
        "http__{a_b=\"x\\\"y\\\\z\\n\",job=\"outer\",site=\"x\",instance=\"\"} 0.5 1700000000000\n"
        "# TYPE up untyped\n"
        "up{instance=\"a:1\",job=\"outer\",site=\"x\"} 1 1699999999000\n");
  auto modern = World::request("GET", "/federate");
  modern.query = {{"match[]", "{\"http.é\"}"}};
  modern.headers.emplace_back(
      "accept", "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;q=0.5");
  response = world.ask(modern);
  CHECK(response.content_type == "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8");
  CHECK(response.body ==
        "# TYPE \"http.é\" untyped\n"
        "{\"http.é\",\"a\\\"b\"=\"x\\\"y\\\\z\\n\",job=\"outer\",site=\"x\",instance=\"\"} 0.5 "
        "1700000000000\n");
  CHECK(world.get("/federate").body.empty());
  response = world.get("/federate", {{"match[]", "up("}});
  CHECK(response.status == 400);
  CHECK(response.content_type == "text/plain; charset=utf-8");
}

TEST_CASE("federation and queries end at the limit of an answer's bytes") {
  World world;
  for (int i = 0; i < 100; ++i) {
    world.source.series.push_back(
        {Labels{{"__name__", "up"}, {"job", std::to_string(1000 + i)}}, {{kNow, 1}}});
  }
  ApiOptions options;
  options.response_bytes_max = 1000;
  world.api = world.make(options);
  for (const char* path : {"/federate", "/api/v1/query"}) {
    const auto response = world.get(path, {{"match[]", "up"}, {"query", "up"}});
    CHECK(response.status == 422);
    CHECK(has(response, "more than 1000 bytes"));
  }
}

net::ServerRequest read_request(const std::string& message) {
  auto request = World::request("POST", "/api/v1/read");
  snappy::Compress(message.data(), message.size(), &request.body);
  return request;
}

/// One query for up{site="x"} of everything; asks for `form` if it is not empty.
std::string up_query(const std::string& form) {
  const std::string matchers = std::string("\x1a\x10\x08\x00\x12\x08__name__\x1a\x02up", 18) +
                               std::string("\x1a\x0b\x08\x00\x12\x04site\x1a\x01x", 13);
  const std::string query = std::string("\x08\x00\x10\x80\xa0\xc9\xdb\xbd\x63", 9) + matchers;
  return "\x0a" + std::string(1, static_cast<char>(query.size())) + query + form;
}

TEST_CASE("remote read: both forms, external labels, limits") {
  World world;
  world.source.series = {{Labels{{"__name__", "up"}, {"job", "a"}}, {{kNow, 1}, {kNow + 1, 2}}},
                         {Labels{{"__name__", "down"}}, {{kNow, 1}}}};
  ApiOptions options;
  options.external_labels = Labels{{"site", "x"}};
  world.api = world.make(options);
  auto response = world.ask(read_request(up_query("")));
  CHECK(response.status == 200);
  CHECK(response.content_type == "application/x-protobuf");
  std::string message;
  REQUIRE(snappy::Uncompress(response.body.data(), response.body.size(), &message));
  CHECK(message.find("site") != std::string::npos);
  CHECK(message.find("down") == std::string::npos);

  response = world.ask(read_request(up_query(std::string("\x12\x02\x01\x00", 4))));
  CHECK(response.status == 200);
  CHECK(response.content_type ==
        "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse");
  CHECK(has(response, "site"));

  CHECK(world.ask(read_request("\xff\xff")).status == 400);
  CHECK(world.ask(World::request("POST", "/api/v1/read")).status == 400);
  options.engine.samples_max = 1;
  world.api = world.make(options);
  response = world.ask(read_request(up_query("")));
  CHECK(response.status == 400);
  CHECK(has(response, "exceeded sample limit (1)"));
}

TEST_CASE("targets: agents by when they pushed, scrapes by up") {
  World world;
  AgentInfo heard;
  heard.name = "web1";
  heard.labels = Labels{{"env", "prod"}};
  heard.last_seen = base::wall_time(kNow - 1'000);
  AgentInfo silent = heard;
  silent.name = "web2";
  silent.last_seen = base::wall_time(kNow - 3'600'000);
  AgentInfo never;
  never.name = "web3";
  world.daemon.agent_map = {{"web1", heard}, {"web2", silent}, {"web3", never}};
  const Labels shop{{"__name__", "up"}, {"instance", "s:80"}, {"job", "shop"}};
  world.source.series = {
      {shop, {{kNow, 0}}},
      {Labels{{"__name__", "scrape_duration_seconds"}, {"instance", "s:80"}, {"job", "shop"}},
       {{kNow, 0.25}}}};
  auto response = world.get("/api/v1/targets");
  CHECK(response.status == 200);
  CHECK(has(response, R"("labels":{"env":"prod","host":"web1","job":"agents"},)"));
  CHECK(has(response, R"("health":"up")"));
  CHECK(has(response, "it has not pushed since 2023-11-14T21:13:20Z"));
  CHECK(has(response, R"("health":"unknown")"));
  CHECK(has(response, R"("lastScrapeDuration":2.5E-1,"health":"down")"));
  CHECK(has(response, R"("droppedTargets":[])"));
  CHECK_FALSE(has(world.get("/api/v1/targets", {{"scrapePool", "shop"}}), "web1"));
  CHECK(has(world.get("/api/v1/targets", {{"state", "dropped"}}), R"("activeTargets":[])"));
  CHECK(world.get("/api/v1/scrape_pools").body == data(R"({"scrapePools":["agents","shop"]})"));
}

TEST_CASE("what the server says of itself") {
  World world;
  world.daemon.server_info.retention = "15d";
  world.daemon.server_info.flags = {{"query.timeout", "30s"}};
  CHECK(has(world.get("/api/v1/status/buildinfo"), R"("version":"3.)"));
  CHECK_FALSE(has(world.get("/api/v1/status/buildinfo"), "features"));  // else Grafana sees Mimir
  CHECK(has(world.get("/api/v1/status/runtimeinfo"), R"("storageRetention":"15d")"));
  CHECK(world.get("/api/v1/status/flags").body == data(R"({"query.timeout":"30s"})"));
  CHECK(world.get("/api/v1/status/config").body == data(R"({"yaml":"\"a\": 1\n"})"));
  CHECK(has(world.get("/api/v1/alertmanagers"), R"("activeAlertmanagers":[])"));
  world.daemon.server_info.external_url = "https://tocsin.example";
  CHECK(has(world.get("/api/v1/alertmanagers"), "https://tocsin.example/api/v2/alerts"));
}

TEST_CASE("exemplars, statistics, escaped label names") {
  World world;
  world.source.series = {
      {Labels{{"__name__", "up"}, {"http.status", "200"}}, {{kNow - 1'000, 1}, {kNow, 1}}}};
  CHECK(world.get("/api/v1/query_exemplars", {{"query", "up"}}).body == data("[]"));
  CHECK(world.get("/api/v1/query_exemplars", {{"query", "up("}}).status == 400);
  CHECK(world.get("/api/v1/query_exemplars", {{"query", "up"}, {"start", "2"}, {"end", "1"}})
            .status == 400);
  CHECK(has(world.get("/api/v1/query", {{"query", "up"}, {"stats", "all"}}),
            R"(}],"stats":{"timings":{"evalTotalTime":)"));
  CHECK(has(world.get("/api/v1/query", {{"query", "up"}, {"stats", "1"}}),
            R"("samples":{"totalQueryableSamples":2}}})"));
  CHECK(world.get("/api/v1/label/U__http_2e_status/values").body == data(R"(["200"])"));
  CHECK(unescape_name("plain") == "plain");
  CHECK(unescape_name("U__a__b_e9_") == "a_bé");
  CHECK(unescape_name("U___1f600_") == "\xF0\x9F\x98\x80");
  for (const char* broken : {"U__a_", "U__a_zz_", "U__a_110000_", "U__a_d800_", "U__a_20"}) {
    CHECK(unescape_name(broken) == broken);
  }
  for (const char* query : {"'text'", "up[5m]"}) {
    CHECK(world
              .get("/api/v1/query_range",
                   {{"query", query}, {"start", "1"}, {"end", "2"}, {"step", "1"}})
              .status == 400);
  }
}

TEST_CASE("metadata: limits as Prometheus reads them") {
  World world;
  const std::vector<model::MetricMetadata> about{{"a", model::MetricType::Counter, "A.", ""},
                                                 {"b", model::MetricType::Gauge, "B.", ""}};
  world.metadata.note(about);
  CHECK(has(world.get("/api/v1/metadata"), R"("b":[{"type":"gauge")"));
  CHECK_FALSE(has(world.get("/api/v1/metadata", {{"limit", "1"}}), "\"b\""));
  CHECK(world.get("/api/v1/metadata", {{"limit", "0"}}).body == data("{}"));
  CHECK(has(world.get("/api/v1/metadata", {{"limit", "-1"}}), "\"b\""));
  CHECK(has(world.get("/api/v1/metadata", {{"limit_per_metric", "1"}}), "\"b\""));
  CHECK(world.get("/api/v1/metadata", {{"limit", "x"}}).status == 400);
  CHECK_FALSE(has(world.get("/api/v1/metadata", {{"metric", "a"}}), "\"b\""));
}

TEST_CASE("rules by labels, and in pages of groups") {
  World world;
  for (const char* name : {"one", "two", "three"}) {
    RuleInfo rule;
    rule.name = std::string("Alert-") + name;
    rule.labels = Labels{{"team", name}};
    RuleGroupInfo group;
    group.name = name;
    group.file = "f";
    group.rules = {rule};
    world.daemon.rule_groups.push_back(group);
  }
  const auto rules = [&](std::multimap<std::string, std::string> query) {
    return world.get("/api/v1/rules", std::move(query));
  };
  auto response = rules({{"match[]", "{team=\"one\"}"}, {"match[]", "{team=~\"th.*\"}"}});
  CHECK(has(response, "Alert-one"));
  CHECK(has(response, "Alert-three"));
  CHECK_FALSE(has(response, "Alert-two"));
  CHECK_FALSE(has(response, "\"two\""));
  CHECK(rules({{"match[]", "sum(x)"}}).status == 400);

  response = rules({{"group_limit", "2"}});
  CHECK(has(response, "Alert-two"));
  CHECK_FALSE(has(response, "Alert-three"));
  const std::size_t at = response.body.find("\"groupNextToken\":\"") + 18;
  const std::string token = response.body.substr(at, response.body.find('"', at) - at);
  response = rules({{"group_limit", "2"}, {"group_next_token", token}});
  CHECK(has(response, "Alert-three"));
  CHECK_FALSE(has(response, "Alert-two"));
  CHECK_FALSE(has(response, "groupNextToken"));
  CHECK(rules({{"group_limit", "2"}, {"group_next_token", "gone"}}).status == 400);
  CHECK(rules({{"group_next_token", token}}).status == 400);
}

TEST_CASE("answers are compressed for those who read that") {
  CHECK(accepts_gzip("gzip"));
  CHECK(accepts_gzip("deflate, GZip;q=0.5"));
  CHECK(accepts_gzip("*"));
  CHECK_FALSE(accepts_gzip(""));
  CHECK_FALSE(accepts_gzip("identity"));
  CHECK_FALSE(accepts_gzip("gzip;q=0, *"));
  net::ServerResponse small;
  small.body = "small";
  gzip(small);
  CHECK(small.headers.empty());
  net::ServerResponse large;
  large.body = std::string(100'000, 'x');
  gzip(large);
  CHECK(large.headers.front() == std::pair<std::string, std::string>("Content-Encoding", "gzip"));
  CHECK(large.body.size() < 1000);
  const std::string before = large.body;
  gzip(large);
  CHECK(large.body == before);
}

}  // namespace
}  // namespace tocsin::api
