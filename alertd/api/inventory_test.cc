// What there is, as `tocsin check` reads it.
#include <doctest/doctest.h>

#include "alertd/api/test_support.h"

namespace tocsin::api {
namespace {

using model::Labels;
using test::World;

constexpr std::int64_t kNow = 1'700'000'000'000;

struct StockedWorld : World {
  StockedWorld() {
    source.series = {
        {Labels{{"__name__", "jobs_total"}, {"queue", "a"}, {"site", "x"}}, {{kNow, 1}}},
        {Labels{{"__name__", "jobs_total"}, {"queue", "b"}}, {{kNow, 1}}},
        {Labels{{"__name__", "old"}}, {{kNow - 2 * 86'400'000, 1}}},
    };
    const model::MetricMetadata known[] = {
        {"jobs", model::MetricType::Counter, "Jobs \"done\".", "jobs"},
        {"old", model::MetricType::Gauge, "", ""}};
    metadata.note(known);
  }
};

std::string data(const char* text) {
  return std::string("{\"status\":\"success\",\"data\":") + text + "}\n";
}

TEST_CASE("metadata in Prometheus's format") {
  StockedWorld world;
  CHECK(world.get("/api/v1/metadata", {{"metric", "jobs"}}).body ==
        data(R"({"jobs":[{"type":"counter","help":"Jobs \"done\".","unit":"jobs"}]})"));
  CHECK(world.get("/api/v1/metadata", {{"metric", "none"}}).body == data("{}"));
  CHECK(world.get("/api/v1/metadata", {{"limit", "1"}}).body.find("old") == std::string::npos);
  CHECK(world.get("/api/v1/metadata").body.find("\"old\"") != std::string::npos);
  CHECK(world.get("/api/v1/metadata", {{"limit", "x"}}).status == 400);
}

TEST_CASE("inventory: metrics of the last day with types, labels and values") {
  StockedWorld world;
  // `site` is on one of the two series only, so it is not always there.
  CHECK(world.get("/api/v1/inventory").body ==
        data(R"({"format":"tocsin-inventory-1","generated_at":"2023-11-14T22:13:20Z",)"
             R"("metrics":{"jobs_total":{"type":"counter","series":2,"labels":{)"
             R"("queue":{"values":["a","b"],"complete":true,"always":true},)"
             R"("site":{"values":["x"],"complete":true,"always":false}}}}})"));
  CHECK(world.get("/api/v1/inventory", {{"values", "1"}})
            .body.find(R"("queue":{"values":["a"],"complete":false,"always":true})") !=
        std::string::npos);
  CHECK(world.get("/api/v1/inventory", {{"start", "0"}}).body.find("\"old\"") != std::string::npos);
  CHECK(world.get("/api/v1/inventory", {{"start", "soon"}}).status == 400);
}

}  // namespace
}  // namespace tocsin::api
