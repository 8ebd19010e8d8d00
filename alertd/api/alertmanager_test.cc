// Alertmanager's API v2 over a fake daemon: fields, filters, error shapes.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "alertd/api/alertmanager_handlers.h"
#include "alertd/api/test_support.h"

namespace tocsin::api {
namespace {

using model::Labels;

const base::WallTime kNow = base::wall_time(1'700'000'000'000);  // 2023-11-14T22:13:20Z

class FakeAlertmanager final : public AlertmanagerView {
 public:
  AlertmanagerSnapshot state;
  std::vector<model::Alert> posted;
  bool busy = false;
  std::map<std::string, AlertmanagerSilence> kept;
  AlertmanagerCluster cluster_state;

  void snapshot(std::function<void(std::shared_ptr<const AlertmanagerSnapshot>)> done) override {
    done(std::make_shared<AlertmanagerSnapshot>(state));
  }
  bool post(std::vector<model::Alert> alerts) override {
    if (!busy) posted = std::move(alerts);
    return !busy;
  }
  std::vector<std::string> receivers() const override { return {"chat", "pager"}; }
  std::string configuration() const override { return "route:\n  receiver: \"chat\"\n"; }
  base::Duration resolve_timeout() const override { return std::chrono::minutes(5); }
  AlertmanagerCluster cluster() const override { return cluster_state; }
  void silences(Done<std::vector<AlertmanagerSilence>> done) override {
    std::vector<AlertmanagerSilence> all;
    for (const auto& [id, one] : kept) all.push_back(one);
    done(all);
  }
  void silence(std::string id, Done<AlertmanagerSilence> done) override {
    if (!kept.contains(id)) return done(base::error(base::ErrorCode::NotFound, "silence " + id));
    done(kept[id]);
  }
  void set_silence(AlertmanagerSilence silence, std::string, Done<std::string> done) override {
    if (!silence.id.empty() && !kept.contains(silence.id)) {
      return done(base::error(base::ErrorCode::NotFound, "silence not found"));
    }
    if (silence.ends_at <= kNow) {
      return done(base::error(base::ErrorCode::InvalidArgument, "end time can't be in the past"));
    }
    if (silence.id.empty()) silence.id = "new";
    kept[silence.id] = silence;
    done(silence.id);
  }
  void expire_silence(std::string id, std::string, Done<void> done) override {
    if (!kept.contains(id)) return done(base::error(base::ErrorCode::NotFound, "silence " + id));
    kept[id].state = SilenceState::Expired;
    done(base::ok());
  }
};

struct AmWorld {
  base::SimClock clock{kNow};
  base::Metrics metrics;
  FakeAlertmanager fake;
  AlertmanagerHandlers handlers{
      fake, clock, metrics, {kNow - std::chrono::hours(1), "", model::Severity::Medium, {}}};
  Router router{
      handlers.routes(Access::Read, Access::Write), base::Secret("topsecret"), metrics, {}};

  net::ServerResponse ask(net::ServerRequest request) {
    net::ServerResponse answer;
    router.handle(std::move(request), [&](net::ServerResponse got) { answer = std::move(got); });
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

AlertmanagerAlert alert(const char* name, const char* host, std::vector<std::string> receivers) {
  AlertmanagerAlert one;
  one.alert.labels = Labels{{"alertname", name}, {"host", host}};
  one.alert.annotations = Labels{{"summary", "it \"burns\""}};
  one.alert.starts_at = kNow - std::chrono::minutes(1);
  one.alert.valid_until = kNow + std::chrono::minutes(5);
  one.alert.updated_at = kNow + base::Duration(7);
  one.alert.generator_url = "http://prom/graph";
  one.receivers = std::move(receivers);
  return one;
}

std::size_t count(const net::ServerResponse& response, std::string_view text) {
  std::size_t found = 0;
  for (auto at = response.body.find(text); at != std::string::npos;
       at = response.body.find(text, at + 1)) {
    ++found;
  }
  return found;
}

TEST_CASE("status has every field that amtool reads") {
  AmWorld world;
  CHECK(world.get("/api/v2/status").body ==
        fmt::format("{{\"cluster\":{{\"peers\":[],\"status\":\"disabled\"}},\"config\":{{"
                    "\"original\":\"route:\\u000a  receiver: \\\"chat\\\"\\u000a\"}},\"uptime\":"
                    "\"2023-11-14T21:13:20.000Z\",\"versionInfo\":{{\"branch\":\"\","
                    "\"buildDate\":\"\",\"buildUser\":\"\",\"goVersion\":\"\",\"revision\":\"\","
                    "\"version\":\"{}\"}}}}\n",
                    TOCSIN_VERSION));
  world.fake.cluster_state = {"ready", "a", {{"a", "127.0.0.1:9094"}, {"b", "127.0.0.1:9095"}}};
  CHECK(count(world.get("/api/v2/status"),
              R"({"name":"a","peers":[{"address":"127.0.0.1:9094","name":"a"},)"
              R"({"address":"127.0.0.1:9095","name":"b"}],"status":"ready"})") == 1);
  CHECK(world.get("/api/v2/receivers").body == "[{\"name\":\"chat\"},{\"name\":\"pager\"}]\n");
  CHECK(world.get("/api/v2/receivers", {{"receiver_matchers", "name=~\"p.*\""}}).body ==
        "[{\"name\":\"pager\"}]\n");
}

TEST_CASE("an alert in full") {
  AmWorld world;
  world.fake.state.alerts = {alert("Disk", "db1", {"chat"})};
  CHECK(world.get("/api/v2/alerts").body ==
        "[{\"annotations\":{\"summary\":\"it \\\"burns\\\"\"},\"endsAt\":"
        "\"2023-11-14T22:18:20.000Z\",\"fingerprint\":\"" +
            fmt::format("{:016x}", world.fake.state.alerts[0].alert.fingerprint()) +
            "\",\"receivers\":[{\"name\":\"chat\"}],\"startsAt\":\"2023-11-14T22:12:20.000Z\","
            "\"status\":{\"inhibitedBy\":[],\"mutedBy\":[],\"silencedBy\":[],\"state\":\"active\"}"
            ",\"updatedAt\":\"2023-11-14T22:13:20.007Z\",\"generatorURL\":\"http://prom/graph\","
            "\"labels\":{\"alertname\":\"Disk\",\"host\":\"db1\"}}]\n");
}

TEST_CASE("filters of alerts and groups") {
  AmWorld world;
  auto& alerts = world.fake.state.alerts;
  alerts = {alert("Disk", "db1", {"chat", "pager"}), alert("Disk", "db2", {"chat"}),
            alert("Load", "db1", {"pager"}), alert("Gone", "db1", {"chat"})};
  alerts[1].suppression.silenced_by = {"s1"};
  alerts[2].suppression.inhibited_by = {"00ff"};
  alerts[3].resolved = true;
  world.fake.state.groups = {
      {"k1", "chat", Labels{{"alertname", "Disk"}}, {}, {0, 1, 3}, {}},
      {"k2", "pager", Labels{{"alertname", "Load"}}, Labels{{"tier", "1"}}, {2}, {"night"}}};
  const auto shown = [&](std::multimap<std::string, std::string> query) {
    return count(world.get("/api/v2/alerts", std::move(query)), "\"labels\"");
  };
  CHECK(shown({}) == 3);
  CHECK(shown({{"active", "false"}}) == 2);
  CHECK(shown({{"silenced", "false"}}) == 2);
  CHECK(shown({{"inhibited", "false"}}) == 2);
  CHECK(shown({{"filter", "host=\"db1\""}}) == 2);
  CHECK(shown({{"filter", "host=\"db1\""}, {"filter", "alertname=~\"D.*\""}}) == 1);
  CHECK(shown({{"receiver", "cha"}}) == 0);
  CHECK(shown({{"receiver", "cha.*"}}) == 2);
  CHECK(shown({{"receiver_matchers", "receiver=\"pager\""}}) == 2);
  const auto broken = world.get("/api/v2/alerts", {{"filter", "{"}});
  CHECK(broken.status == 400);
  CHECK(broken.body.starts_with("\"bad matcher format: "));
  CHECK(world.get("/api/v2/alerts", {{"receiver", "("}}).status == 400);

  const auto groups = world.get("/api/v2/alerts/groups");
  CHECK(count(groups, "\"receiver\":{\"name\":\"chat\"}}") == 1);
  CHECK(count(groups, "\"routeLabels\":{\"tier\":\"1\"}") == 1);
  CHECK(count(groups, "\"mutedBy\":[\"night\"]") == 1);
  CHECK(count(groups, "\"annotations\"") == 3);
  CHECK(count(world.get("/api/v2/alerts/groups", {{"muted", "false"}}), "pager\"}}") == 0);
  CHECK(world.get("/api/v2/alerts/groups", {{"filter", "host=\"no\""}}).body == "[]\n");
}

TEST_CASE("posted alerts: times, empty labels, severities") {
  AmWorld world;
  const auto response = world.post("/api/v2/alerts", R"([
    {"labels":{"b":"2","alertname":"A","severity":"page","empty":""},"annotations":{"s":"x"},
     "generatorURL":"http://g","startsAt":"0001-01-01T00:00:00Z","unknown":[1]},
    {"labels":{"alertname":"B"},"endsAt":"2023-11-14T22:00:00Z"},
    {"labels":{"alertname":"C","severity":"info"},"startsAt":"2023-11-14T22:00:00.5+01:00",
     "endsAt":"2023-11-15T00:00:00Z"}])");
  CHECK(response.status == 200);
  CHECK(response.body.empty());
  REQUIRE(world.fake.posted.size() == 3);
  const auto& posted = world.fake.posted;
  CHECK(posted[0].labels == Labels{{"alertname", "A"}, {"b", "2"}, {"severity", "page"}});
  CHECK(posted[0].severity == model::Severity::Critical);
  CHECK(posted[0].starts_at == kNow);
  CHECK_FALSE(posted[0].ends_at);
  CHECK(posted[0].valid_until == kNow + std::chrono::minutes(5));
  CHECK(posted[0].generator_url == "http://g");
  CHECK(posted[1].starts_at == *posted[1].ends_at);
  CHECK(posted[1].resolved(kNow));
  CHECK(posted[1].severity == model::Severity::Medium);
  CHECK(posted[2].severity == model::Severity::Low);
  CHECK(posted[2].starts_at == base::wall_time(1'699'995'600'500));
  CHECK_FALSE(posted[2].resolved(kNow));
}

TEST_CASE("the good alerts of a post are kept, the others are told of") {
  AmWorld world;
  const auto response = world.post("/api/v2/alerts", R"([
    {"labels":{"alertname":"A"}}, {"labels":{"x":""}}, {"labels":{"alertname":1}}, 7,
    {"labels":{"alertname":"B"},"startsAt":"2023-11-14T22:00:00Z","endsAt":"2023-11-14T21:00:00Z"},
    {"labels":{"alertname":"C"},"startsAt":"soon"}])");
  CHECK(response.status == 400);
  CHECK(world.fake.posted.size() == 1);
  CHECK(response.body ==
        "\"alert 1: at least one label pair required; alert 2: 'alertname' of 'labels' must be a "
        "text; alert 3: an alert must be an object; alert 4: start time must be before end time; "
        "alert 5: 'soon' is not an RFC 3339 time; expected 2026-11-23T14:48:35Z\"\n");
}

TEST_CASE("posts that are refused as a whole") {
  AmWorld world;
  CHECK(world.post("/api/v2/alerts", "[").status == 400);
  CHECK(world.post("/api/v2/alerts", "[").body.starts_with("{\"code\":400,\"message\":\"parsing"));
  CHECK(world.post("/api/v2/alerts", "{}").status == 400);
  CHECK(world.post("/api/v2/alerts", std::string(100, '[')).status == 400);
  world.fake.busy = true;
  CHECK(world.post("/api/v2/alerts", R"([{"labels":{"a":"b"}}])").status == 503);
  net::ServerRequest form = test::World::request("POST", "/api/v2/alerts");
  form.body = "[]";
  CHECK(world.ask(form).status == 415);
  AlertLimits limits;
  limits.alerts_max = 1;
  limits.labels_max = 2;
  limits.value_bytes_max = 3;
  const IngestOptions options{kNow, {}, {}, limits};
  CHECK_FALSE(parse_posted_alerts(R"([{},{}])", options));
  CHECK(parse_posted_alerts(R"([{"labels":{"a":"1","b":"2","c":"3"}}])", options)->errors[0] ==
        "alert 0: 3 labels, limit 2");
  CHECK(parse_posted_alerts(R"([{"labels":{"a":"1234"}}])", options)->errors[0] ==
        "alert 0: invalid labels: value of 'a' is 4 bytes, limit 3");
}

TEST_CASE("silences: made, shown in order, changed, expired") {
  AmWorld world;
  const std::string body =
      R"({"matchers":[{"name":"host","value":"db.*","isRegex":true}],"startsAt":)"
      R"("2023-11-14T22:00:00.000Z","endsAt":"2023-11-15T22:00:00.000Z","createdBy":"ada",)"
      R"("comment":"work"})";
  CHECK(world.post("/api/v2/silences", body).body == "{\"silenceID\":\"new\"}\n");
  const std::string shown = world.get("/api/v2/silence/new").body;
  CHECK(shown ==
        "{\"id\":\"new\",\"status\":{\"state\":\"active\"},\"updatedAt\":"
        "\"1970-01-01T00:00:00.000Z\",\"comment\":\"work\",\"createdBy\":\"ada\",\"endsAt\":"
        "\"2023-11-15T22:00:00.000Z\",\"matchers\":[{\"isEqual\":true,\"isRegex\":true,\"name\":"
        "\"host\",\"value\":\"db.*\"}],\"startsAt\":\"2023-11-14T22:00:00.000Z\"}\n");
  // The client sends back what it was shown.
  std::string again = shown;
  CHECK(world.post("/api/v2/silences", again).status == 200);
  CHECK(world.get("/api/v2/silences", {{"filter", "host=\"db.*\""}}).body ==
        "[" + shown.substr(0, shown.size() - 1) + "]\n");
  CHECK(world.get("/api/v2/silences", {{"filter", "host=\"web\""}}).body == "[]\n");
  CHECK(world.get("/api/v2/silences", {{"active", "false"}}).body == "[]\n");
  net::ServerRequest expire = test::World::request("DELETE", "/api/v2/silence/new");
  CHECK(world.ask(expire).status == 200);
  expire.path = "/api/v2/silence/other";
  CHECK(world.ask(expire).status == 404);
  CHECK(world.get("/api/v2/silence/other").status == 404);

  const auto missing = world.post("/api/v2/silences", R"({"matchers":[]})");
  CHECK(missing.status == 422);
  CHECK(missing.body == "{\"code\":602,\"message\":\"createdBy in body is required\"}\n");
  CHECK(world.post("/api/v2/silences", "nothing").status == 400);
}

TEST_CASE("silences are sorted by state, then by what comes next") {
  AmWorld world;
  const auto keep = [&](const char* id, SilenceState state, int starts, int ends) {
    AlertmanagerSilence one;
    one.id = id;
    one.state = state;
    one.matcher_sets = {{{"a", "b", false, true}}};
    one.starts_at = kNow + std::chrono::hours(starts);
    one.ends_at = kNow + std::chrono::hours(ends);
    world.fake.kept[id] = one;
  };
  keep("a-old", SilenceState::Expired, -9, -5);
  keep("b-late", SilenceState::Expired, -9, -1);
  keep("c-next", SilenceState::Pending, 1, 9);
  keep("d-long", SilenceState::Active, -1, 9);
  keep("e-short", SilenceState::Active, -1, 1);
  const std::string body = world.get("/api/v2/silences").body;
  std::size_t last = 0;
  for (const char* id : {"e-short", "d-long", "c-next", "b-late", "a-old"}) {
    const std::size_t at = body.find(id);
    REQUIRE(at != std::string::npos);
    CHECK(at > last);
    last = at;
  }
}

TEST_CASE("who may use it, and paths that are none") {
  AmWorld world;
  net::ServerRequest request = test::World::request("GET", "/api/v2/status");
  request.peer_is_loopback = false;
  CHECK(world.ask(request).status == 401);
  request.headers.emplace_back("authorization", "Basic YW55Ym9keTp0b3BzZWNyZXQ=");
  CHECK(world.ask(request).status == 200);
  request.headers.back().second = "Basic YW55Ym9keTp3cm9uZw==";
  CHECK(world.ask(request).status == 401);
  request.headers.back().second = "Bearer topsecret";
  CHECK(world.ask(request).status == 200);
  CHECK(world.get("/api/v2/nothing").body ==
        "{\"code\":404,\"message\":\"there is no '/api/v2/nothing'\"}\n");
  CHECK(world.post("/api/v2/status", "{}").status == 405);
}

TEST_CASE("below a prefix, and open to the network as Alertmanager is") {
  AmWorld world;
  Router open{world.handlers.routes(Access::Open, Access::Open),
              base::Secret("topsecret"),
              world.metrics,
              {}};
  open.serve_below("/am");
  const auto ask = [&](net::ServerRequest request) {
    int status = 0;
    open.handle(std::move(request), [&](const net::ServerResponse& got) { status = got.status; });
    return status;
  };
  net::ServerRequest request = test::World::request("GET", "/am/api/v2/status");
  request.peer_is_loopback = false;
  CHECK(ask(request) == 200);
  request.path = "/api/v2/status";
  CHECK(ask(request) == 404);
  request.path = "/amplifier/api/v2/status";
  CHECK(ask(request) == 404);
  net::ServerRequest post = test::World::json("/am/api/v2/alerts", "[]");
  post.peer_is_loopback = false;
  CHECK(ask(post) == 200);
  post.headers.emplace_back("origin", "https://evil.example");
  CHECK(ask(post) == 403);
}

}  // namespace
}  // namespace tocsin::api
