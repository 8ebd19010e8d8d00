// Channels over the API: list, preview, drill.

#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "alertd/api/channel_handlers.h"

namespace tocsin::api {
namespace {

namespace json = boost::json;

class FakeChannels final : public ChannelDirectory {
 public:
  void list(Done<std::vector<ChannelStatus>> done) override { done(channels); }
  void preview(PreviewRequest request, Done<MessagePreview> done) override {
    asked = request;
    if (request.channel == "gone/gone") {
      done(base::error(base::ErrorCode::NotFound, "no channel 'gone/gone'"));
    } else {
      done(MessagePreview{"T-7, firing", "title", "line\nline", "", "template 'text' failed"});
    }
  }
  base::Result<model::Labels> drill(DrillRequest request) override {
    drilled = request;
    return model::Labels{{"drill", "true"}};
  }

  std::vector<ChannelStatus> channels;
  PreviewRequest asked;
  DrillRequest drilled;
};

struct Fixture {
  FakeChannels channels;
  std::vector<Route> routes = channel_routes(channels);

  json::object call(std::size_t route, const std::string& body, int status = 200) {
    ApiCall call;
    call.source = "api test";
    call.request.method = routes[route].method;
    call.request.headers = {{"content-type", "application/json"}};
    call.request.body = body;
    json::object answer;
    call.respond = [&](const net::ServerResponse& response) {
      CHECK(response.status == status);
      answer = json::parse(response.body).as_object();
    };
    routes[route].handler(std::move(call));
    return answer;
  }
};

TEST_CASE("channels: state, last proof, last error") {
  Fixture f;
  ChannelStatus one;
  one.name = "ops/mail";
  one.state = "open";
  one.waiting = 7;
  one.last_proven = base::wall_time(1'767'607'200'000);
  one.last_error = "HTTP 503";
  f.channels.channels = {one};
  const json::object answer = f.call(0, "");
  const json::value& shown = answer.at("data").at("channels").at(0);
  CHECK(shown.at("name") == "ops/mail");
  CHECK(shown.at("state") == "open");
  CHECK(shown.at("waiting") == 7);
  CHECK(shown.at("lastProven") == "2026-01-05T10:00:00Z");
  CHECK(shown.at("lastFailed").is_null());
  CHECK(shown.at("lastError") == "HTTP 503");
}

TEST_CASE("preview: the words, and what is wrong with a request") {
  Fixture f;
  const json::object answer =
      f.call(1, R"({"channel":"ops/mail","incident":"T-7","template":"{{ .Kind }}"})");
  CHECK(answer.at("data").at("text") == "line\nline");
  CHECK(answer.at("data").at("of") == "T-7, firing");
  CHECK(answer.at("data").at("failure") == "template 'text' failed");
  CHECK(f.channels.asked.incident == "T-7");
  CHECK(f.channels.asked.text == "{{ .Kind }}");
  f.call(1, R"({"channel":"gone/gone"})", 404);
  f.call(1, R"({})", 400);
  f.call(1, R"({"channel":"a/b","what":"x"})", 400);
  f.call(1, R"({"channel":"a/b","template":")" + std::string(70'000, 'x') + "\"}", 400);
}

TEST_CASE("drill: severity and labels for the routes, but not those that mark it") {
  Fixture f;
  const json::object answer = f.call(2, R"({"severity":"critical","labels":{"team":"dba"}})");
  CHECK(answer.at("data").at("labels").at("drill") == "true");
  CHECK(f.channels.drilled.severity == "critical");
  CHECK(f.channels.drilled.labels.get("team") == "dba");
  f.call(2, "{}");
  CHECK(f.channels.drilled.severity == "high");
  f.call(2, R"({"severity":"urgent"})", 400);
  f.call(2, R"({"labels":{"drill":"false"}})", 400);
  f.call(2, R"({"labels":"x"})", 400);
}

}  // namespace
}  // namespace tocsin::api
