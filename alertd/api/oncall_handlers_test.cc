#include <doctest/doctest.h>

#include "alertd/api/test_support.h"

namespace tocsin::api {
namespace {

/// Remembers what it was asked.
class FakeOnCall final : public OnCallView {
 public:
  base::WallTime at;
  OverrideRequest over;
  ChangeInfo change;
  std::string removed;

  void on_call(base::WallTime asked, Done<std::vector<OnCallInfo>> done) override {
    at = asked;
    OnCallInfo info;
    info.schedule = "primary";
    info.persons = {"ada"};
    info.until = base::wall_time(1'700'000'000'000);
    info.next = {"ben"};
    done(std::vector<OnCallInfo>{info});
  }
  void shifts(std::string schedule, base::WallTime from, base::WallTime to,
              Done<std::vector<ShiftInfo>> done) override {
    if (schedule == "gone") return done(base::error(base::ErrorCode::NotFound, "no schedule"));
    done(std::vector<ShiftInfo>{{"primary", from, to, {}, ""}});
  }
  void put_override(OverrideRequest request, Done<std::string> done) override {
    over = std::move(request);
    done(std::string("O-1"));
  }
  void remove_override(std::string id, std::string, std::string, Done<void> done) override {
    removed = std::move(id);
    done(base::ok());
  }
  void add_change(ChangeInfo given, std::string, Done<std::string> done) override {
    change = std::move(given);
    done(std::string("C-1"));
  }
  void changes(Done<std::vector<ChangeInfo>> done) override {
    done(std::vector<ChangeInfo>{{"C-1", base::wall_time(0), "shop", "1.2", "ann", "", "deploy"}});
  }
};

struct OnCallWorld {
  FakeOnCall view;
  base::SimClock clock;
  base::Metrics metrics;
  OnCallHandlers handlers{view, clock};
  Router router{handlers.routes(), {}, metrics, {}};

  net::ServerResponse ask(net::ServerRequest request) {
    net::ServerResponse answer;
    router.handle(std::move(request),
                  [&answer](net::ServerResponse response) { answer = std::move(response); });
    return answer;
  }
  net::ServerResponse get(std::string path, std::multimap<std::string, std::string> query = {}) {
    net::ServerRequest request = test::World::request("GET", std::move(path));
    request.query = std::move(query);
    return ask(std::move(request));
  }
  net::ServerResponse post(std::string path, std::string body) {
    return ask(test::World::json(std::move(path), std::move(body)));
  }
};

bool has(const net::ServerResponse& response, std::string_view text) {
  return response.body.find(text) != std::string::npos;
}

TEST_CASE("who is on call, now and at a time") {
  OnCallWorld world;
  CHECK(has(world.get("/api/v1/oncall"),
            R"("persons":["ada"],"layer":"","until":"2023-11-14T22:13:20Z","next":["ben"])"));
  CHECK(world.get("/api/v1/oncall", {{"at", "2026-01-01T00:00:00Z"}}).status == 200);
  CHECK(world.view.at == base::parse_rfc3339("2026-01-01T00:00:00Z").value());
  CHECK(world.get("/api/v1/oncall", {{"at", "x"}}).status == 400);
}

TEST_CASE("shifts") {
  OnCallWorld world;
  CHECK(has(world.get("/api/v1/oncall/shifts"), R"("persons":[])"));
  CHECK(world.get("/api/v1/oncall/shifts", {{"schedule", "gone"}}).status == 404);
  CHECK(world.get("/api/v1/oncall/shifts", {{"from", "10"}, {"to", "5"}}).status == 400);
  CHECK(world.get("/api/v1/oncall/shifts", {{"from", "0"}, {"to", "40000000"}}).status == 400);
}

TEST_CASE("overrides") {
  OnCallWorld world;
  auto response = world.post("/api/v1/oncall/overrides",
                             R"({"by":"ada","schedule":"primary","person":"ben+cleo",)"
                             R"("from":"2026-01-01T00:00:00Z","for":"2h","comment":"swap"})");
  CHECK(response.status == 201);
  CHECK(has(response, R"("id":"O-1")"));
  CHECK(world.view.over.persons == std::vector<std::string>{"ben", "cleo"});
  CHECK(world.view.over.end - world.view.over.begin == std::chrono::hours(2));
  CHECK(world.view.over.by == "ada");
  const auto refusal = [&](std::string body) {
    const auto refused = world.post("/api/v1/oncall/overrides", std::move(body));
    CHECK(refused.status == 400);
    return refused;
  };
  CHECK(has(refusal(R"({"schedule":"p","person":"b","for":"2h"})"), "'by' is missing"));
  CHECK(has(refusal(R"({"by":"a","person":"b","for":"2h"})"), "'schedule' is missing"));
  CHECK(has(refusal(R"({"by":"a","schedule":"p","for":"2h"})"), "'person' is missing"));
  CHECK(has(refusal(R"({"by":"a","schedule":"p","person":"b"})"), "one of 'to' and 'for'"));
  CHECK(has(refusal(R"({"by":"a","schedule":"p","person":"b","to":"tomorrow"})"), "tomorrow"));
  CHECK(world.ask(test::World::request("DELETE", "/api/v1/oncall/overrides/O-1")).status == 200);
  CHECK(world.view.removed == "O-1");
}

TEST_CASE("changes") {
  OnCallWorld world;
  const auto response =
      world.post("/api/v1/changes", R"({"by":"ci","service":"shop","version":"1.2"})");
  CHECK(response.status == 201);
  CHECK(world.view.change.service == "shop");
  CHECK(world.view.change.author == "ci");
  CHECK(has(world.post("/api/v1/changes", R"({"by":"ci"})"), "what changed?"));
  CHECK(
      has(world.post("/api/v1/changes", R"({"by":"ci","text":")" + std::string(1001, 'x') + "\"}"),
          "limit 1000"));
  CHECK(has(world.get("/api/v1/changes"), R"("service":"shop","version":"1.2")"));
}

}  // namespace
}  // namespace tocsin::api
