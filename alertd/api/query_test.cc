// Queries in Prometheus's formats; the expected texts follow its HTTP API documentation.
#include <doctest/doctest.h>

#include <limits>

#include "alertd/api/json.h"
#include "alertd/api/test_support.h"

namespace tocsin::api {
namespace {

using model::Labels;
using test::World;

constexpr std::int64_t kNow = 1'700'000'000'000;

/// up{job="a"} 1 and up{job="b"} 0, each sampled at kNow - 60 s and kNow.
struct UpWorld : World {
  UpWorld() {
    source.series = {
        {Labels{{"__name__", "up"}, {"job", "a"}}, {{kNow - 60'000, 1}, {kNow, 1}}},
        {Labels{{"__name__", "up"}, {"job", "b"}}, {{kNow - 60'000, 0}, {kNow, 0}}},
    };
  }
};

TEST_CASE("result formats") {
  promql::QueryResult result;
  result.value =
      promql::Vector{{Labels{{"__name__", "up"}, {"q", "a\"b\n"}}, {1'435'781'451'781, 1}},
                     {Labels{}, {-1'500, std::numeric_limits<double>::infinity()}}};
  CHECK(*query_data(result, 1 << 20) ==
        R"({"resultType":"vector","result":[{"metric":{"__name__":"up","q":"a\"b\u000a"},)"
        R"("value":[1435781451.781,"1"]},{"metric":{},"value":[-1.500,"+Inf"]}]})");
  result.value = promql::Matrix{{Labels{{"a", "b"}}, {{1000, 0.5}, {2000, 1e30}}}};
  CHECK(
      *query_data(result, 1 << 20) ==
      R"({"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1,"0.5"],[2,"1e+30"]]}]})");
  result.value = promql::Scalar{{60'000, std::numeric_limits<double>::quiet_NaN()}};
  CHECK(*query_data(result, 1 << 20) == R"({"resultType":"scalar","result":[60,"NaN"]})");
  result.value = promql::String{61'007, "x"};
  CHECK(*query_data(result, 1 << 20) == R"({"resultType":"string","result":[61.007,"x"]})");
  CHECK(success("1", Notes{{"w"}, {"i"}}).body ==
        "{\"status\":\"success\",\"data\":1,\"warnings\":[\"w\"],\"infos\":[\"i\"]}\n");
  CHECK(alert_value(1) == "1e+00");
  CHECK(alert_value(96.5) == "9.65e+01");
}

TEST_CASE("instant query by GET and POST") {
  UpWorld world;
  const std::string expected =
      "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":"
      "{\"__name__\":\"up\",\"job\":\"a\"},\"value\":[1700000000,\"1\"]}]}}\n";
  auto response = world.get("/api/v1/query", {{"query", "up{job=\"a\"}"}});
  CHECK(response.status == 200);
  CHECK(response.body == expected);
  auto post = World::request("POST", "/api/v1/query");
  post.query = {{"query", "up{job='a'}"}, {"time", "2023-11-14T22:13:20Z"}};
  CHECK(world.ask(post).body == expected);
  response = world.get("/api/v1/query", {{"query", "up"}, {"limit", "1"}});
  CHECK(response.body.find("results truncated due to limit") != std::string::npos);
  CHECK(response.body.find("\"b\"") == std::string::npos);
  CHECK(
      world.get("/api/v1/query", {{"query", "1"}, {"time", "12.5"}}).body.find("[12.500,\"1\"]") !=
      std::string::npos);
}

TEST_CASE("range query") {
  UpWorld world;
  const auto response = world.get(
      "/api/v1/query_range",
      {{"query", "sum(up)"}, {"start", "1699999940"}, {"end", "1700000000"}, {"step", "1m"}});
  CHECK(response.body ==
        "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{},"
        "\"values\":[[1699999940,\"1\"],[1700000000,\"1\"]]}]}}\n");
}

TEST_CASE("bad parameters are 400 bad_data and named") {
  UpWorld world;
  const auto message = [&](const char* path, std::multimap<std::string, std::string> query) {
    const auto response = world.get(path, std::move(query));
    CHECK(response.status == 400);
    CHECK(response.body.find("\"errorType\":\"bad_data\"") != std::string::npos);
    return response.body;
  };
  const auto names = [](const std::string& text, const char* what) {
    return text.find(what) != std::string::npos;
  };
  CHECK(names(message("/api/v1/query", {}), "'query' is missing"));
  CHECK(names(message("/api/v1/query", {{"query", "sum(up"}}), "1:"));
  CHECK(names(message("/api/v1/query", {{"query", "up"}, {"time", "now"}}), "'time'"));
  CHECK(names(message("/api/v1/query", {{"query", "up"}, {"time", "1e300"}}), "'time'"));
  CHECK(names(message("/api/v1/query", {{"query", "up"}, {"timeout", "-1"}}), "'timeout'"));
  CHECK(names(message("/api/v1/query", {{"query", "up"}, {"limit", "x"}}), "'limit'"));
  CHECK(names(message("/api/v1/query_range", {{"query", "up"}}), "'start' is missing"));
  const auto range = [&](const char* start, const char* end, const char* step) {
    return message("/api/v1/query_range",
                   {{"query", "up"}, {"start", start}, {"end", end}, {"step", step}});
  };
  CHECK(names(range("1", "0", "1"), "before"));
  CHECK(names(range("0", "1", "0"), "'step'"));
  CHECK(names(range("0", "11001", "1"), "exceeded maximum resolution of 11,000 points"));
  CHECK(names(range("0", "1", "soon"), "'step'"));
  CHECK(names(message("/api/v1/series", {}), "match[]"));
  CHECK(names(message("/api/v1/series", {{"match[]", "sum(up)"}}), "selector"));
  CHECK(names(message("/api/v1/labels", {{"match[]", "up["}}), "match[]"));
}

TEST_CASE("execution errors are 422") {
  UpWorld world;
  // Two series on the right match one on the left: many-to-many is an execution error.
  const auto response = world.get("/api/v1/query", {{"query", "up * on() up"}});
  CHECK(response.status == 422);
  CHECK(response.body.find("\"errorType\":\"execution\"") != std::string::npos);
}

TEST_CASE("labels, values and series") {
  UpWorld world;
  const auto data = [](const char* text) {
    return std::string("{\"status\":\"success\",\"data\":") + text + "}\n";
  };
  CHECK(world.get("/api/v1/labels").body == data(R"(["__name__","job"])"));
  CHECK(world.get("/api/v1/labels", {{"match[]", "none"}}).body == data("[]"));
  CHECK(world.get("/api/v1/label/job/values").body == data(R"(["a","b"])"));
  CHECK(
      world.get("/api/v1/label/job/values", {{"match[]", "up{job='a'}"}, {"match[]", "x"}}).body ==
      data(R"(["a"])"));
  CHECK(world.get("/api/v1/series", {{"match[]", "up{job='b'}"}, {"match[]", "{job='b'}"}}).body ==
        data(R"([{"__name__":"up","job":"b"}])"));
  CHECK(world.get("/api/v1/series", {{"match[]", "up"}, {"end", "1"}}).body == data("[]"));
  CHECK(world.get("/api/v1/series", {{"match[]", "up"}, {"limit", "1"}}).body.find("truncated") !=
        std::string::npos);
}

TEST_CASE("labels and values between two times") {
  World world;
  world.source.series = {
      {Labels{{"__name__", "old"}, {"gone", "x"}}, {{kNow - 7'200'000, 1}}},
      {Labels{{"__name__", "up"}, {"job", "a"}}, {{kNow, 1}}},
  };
  const auto data = [](const std::string& text) {
    return "{\"status\":\"success\",\"data\":" + text + "}\n";
  };
  const std::string hour_ago = std::to_string((kNow - 3'600'000) / 1000);
  CHECK(world.get("/api/v1/labels").body == data(R"(["__name__","gone","job"])"));
  CHECK(world.get("/api/v1/labels", {{"start", hour_ago}}).body == data(R"(["__name__","job"])"));
  CHECK(world.get("/api/v1/labels", {{"end", hour_ago}}).body == data(R"(["__name__","gone"])"));
  CHECK(world.get("/api/v1/label/__name__/values", {{"start", hour_ago}}).body ==
        data(R"(["up"])"));
  CHECK(world.get("/api/v1/label/job/values", {{"end", hour_ago}}).body == data("[]"));
  CHECK(world.get("/api/v1/label/job/values", {{"start", hour_ago}, {"match[]", "old"}}).body ==
        data("[]"));
  CHECK(world.get("/api/v1/labels", {{"start", "2"}, {"end", "1"}}).status == 400);
  CHECK(world.get("/api/v1/labels", {{"start", "x"}}).status == 400);
  CHECK(world.get("/api/v1/series", {{"match[]", "up"}, {"start", "2"}, {"end", "1"}}).status ==
        400);
}

TEST_CASE("a query whose client hung up is given up") {
  UpWorld world;
  auto request = World::request("GET", "/api/v1/query");
  request.query = {{"query", "up"}};
  const auto hung_up = std::make_shared<std::atomic<bool>>(false);
  request.hung_up = hung_up;
  CHECK(world.ask(request).status == 200);
  *hung_up = true;
  const auto answer = world.ask(request);
  CHECK(answer.status == 503);
  CHECK(answer.body.find("canceled") != std::string::npos);
  CHECK(world.metrics
            .counter("tocsin_alertd_queries_total", "Queries of the API, by how they ended.",
                     {{"outcome", "cancelled"}})
            .value() == 1);
}

TEST_CASE("too many queries get 503, a late one gives up") {
  UpWorld world;
  ApiOptions options;
  options.queries_max = 2;
  world.api = world.make(options);
  std::vector<net::ServerResponse> answers;
  for (int i = 0; i < 3; ++i) {
    auto request = World::request("GET", "/api/v1/query");
    request.query = {{"query", "up"}, {"timeout", i == 0 ? "1" : "100"}};
    world.api->handle(request, [&](net::ServerResponse answer) { answers.push_back(answer); });
  }
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].status == 503);
  CHECK(answers[0].body.find("\"errorType\":\"unavailable\"") != std::string::npos);
  // The two others waited: longer than the first allows, not longer than the second does.
  world.clock.advance(base::Duration{2'000});
  world.executor.run_ready();
  REQUIRE(answers.size() == 3);
  CHECK(answers[1].status == 503);
  CHECK(answers[1].body.find("\"errorType\":\"timeout\"") != std::string::npos);
  CHECK(answers[2].status == 200);
  CHECK(world.get("/api/v1/query", {{"query", "up"}}).status == 200);
}

}  // namespace
}  // namespace tocsin::api
