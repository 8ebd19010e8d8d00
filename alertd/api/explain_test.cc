// /api/v1/explain: what may be asked, and the answer's format.
#include <doctest/doctest.h>

#include "alertd/api/explain_handlers.h"
#include "alertd/api/test_support.h"

namespace tocsin::api {
namespace {

class FakeTeller final : public story::Storyteller {
 public:
  story::Question asked;
  story::Story story;
  void tell(story::Question question,
            std::function<void(base::Result<story::Story>)> done) override {
    asked = std::move(question);
    if (asked.incident == "T-9") {
      return done(base::error(base::ErrorCode::NotFound, "there is no incident 'T-9'"));
    }
    done(story);
  }
};

struct Explain {
  base::Metrics metrics;
  FakeTeller teller;
  Router router{explain_routes(teller), {}, metrics, {}};

  net::ServerResponse get(std::multimap<std::string, std::string> query) {
    net::ServerRequest request = test::World::request("GET", "/api/v1/explain");
    request.query = std::move(query);
    net::ServerResponse answer;
    router.handle(std::move(request),
                  [&answer](net::ServerResponse response) { answer = std::move(response); });
    return answer;
  }
};

bool has(const net::ServerResponse& response, std::string_view text) {
  return response.body.find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("explain: labels as JSON or as matchers, one question at a time") {
  Explain explain;
  const model::Labels wanted{{"alertname", "DiskFull"}, {"host", "db 1"}};
  CHECK(explain.get({{"labels", R"({"alertname":"DiskFull","host":"db 1"})"}}).status == 200);
  CHECK(explain.teller.asked.labels == wanted);
  CHECK_FALSE(explain.teller.asked.at.has_value());
  CHECK(explain.get({{"labels", R"(alertname="DiskFull",host="db 1")"}, {"at", "1700000000"}})
            .status == 200);
  CHECK(explain.teller.asked.labels == wanted);
  CHECK(explain.teller.asked.at == base::wall_time(1'700'000'000'000));
  CHECK(explain.get({{"labels", R"({alertname="DiskFull"})"}}).status == 200);
  CHECK(explain.get({{"incident", "T-1042"}}).status == 200);
  CHECK(explain.teller.asked.incident == "T-1042");
  CHECK(explain.get({{"fingerprint", "0123456789abcdef"}}).status == 200);
  CHECK(explain.get({{"incident", "T-9"}}).status == 404);

  CHECK(explain.get({}).status == 400);
  CHECK(explain.get({{"incident", "T-1"}, {"fingerprint", "f"}}).status == 400);
  CHECK(has(explain.get({{"labels", R"(alertname=~"Disk.*")"}}), "names no one alert"));
  CHECK(explain.get({{"labels", "{}"}}).status == 400);
  CHECK(explain.get({{"labels", R"({"a":1})"}}).status == 400);
  CHECK(explain.get({{"labels", "["}}).status == 400);
  CHECK(explain.get({{"labels", std::string(20'000, 'a')}}).status == 400);
  CHECK(explain.get({{"incident", "T-1"}, {"at", "soon"}}).status == 400);
}

TEST_CASE("explain: the answer") {
  Explain explain;
  story::Story& story = explain.teller.story;
  story.verdict = "Nobody was called because \xff";
  story.at = base::wall_time(1'700'000'000'000);
  story.labels = model::Labels{{"alertname", "DiskFull"}};
  story.walk = {{"root", 0, true, "", {{"team=\"a\"", "b", false}}}};
  story.decisions = {{story.at, false, "Silenced", "silence 7", "T-1", true}};
  story::DeliveryStory delivery;
  delivery.state = "dead";
  delivery.attempts = {{1, story.at, "dead", "HTTP 401"}};
  story.deliveries = {delivery};
  const auto answer = explain.get({{"incident", "T-1"}});
  CHECK(has(answer, "\"verdict\":\"Nobody was called because \xEF\xBF\xBD\",\"called\":false"));
  CHECK(has(answer, R"("matchers":[{"matcher":"team=\"a\"","value":"b","matched":false}])"));
  CHECK(has(answer, R"("reason":"Silenced","text":"silence 7","incident":"T-1","of":"group")"));
  CHECK(has(answer, R"("outcome":"dead","reply":"HTTP 401")"));
  CHECK(has(answer, R"("nextAttempt":null)"));
}

}  // namespace tocsin::api
