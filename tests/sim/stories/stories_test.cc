// "Why was nobody called?" of the prepared stories: the true cause on the first line.
//
// Each file of tests/data/stories runs through the whole daemon in simulated time: its rules or
// posted alerts, routing, incidents, outbox, notifier, and the API that explains.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include <boost/json.hpp>
#include <map>

#include "alertd/routing/matcher_text.h"
#include "alertd/sim/sim_alertd.h"
#include "common/base/file_system.h"
#include "common/base/strings.h"
#include "common/config/source.h"
#include "tests/sim/stories/story_file.h"

namespace tocsin::sim {
namespace {

namespace json = boost::json;

const std::string kFolder = std::string(TOCSIN_SOURCE_DIR) + "/tests/data/stories";
const std::string kConfigPath = "/alertd.toml";

/// In front of each story's own configuration.
const std::string kWorld = R"(
[store]
path = "/alertd"
[rules]
paths = ["/rules"]
)";

const std::string kReceiver = R"(
[[receiver]]
name = "ops"
[[receiver.webhook]]
url = "http://hooks.test/ops"
[route]
receiver = "ops"
group_by = ["alertname"]
group_wait = "30s"
group_interval = "5m"
repeat_interval = "4h"
)";

json::object labels_json(const std::string& text) {
  const auto matchers = routing::parse_matchers(text);
  REQUIRE_MESSAGE(matchers, text);
  json::object labels;
  for (const auto& matcher : *matchers) labels[matcher.name()] = matcher.value();
  return labels;
}

/// Takes the words behind " name " off the end of the text.
std::string cut(std::string& text, const std::string& name) {
  const std::size_t at = text.rfind(" " + name + " ");
  if (at == std::string::npos) return {};
  std::string words = text.substr(at + name.size() + 2);
  text.resize(at);
  return words;
}

class Play {
 public:
  explicit Play(const StoryFile& story)
      : story_(story), start_(*base::parse_rfc3339("2026-11-23T12:00:00Z")), daemon_(start_) {
    REQUIRE(daemon_.files().create_folders("/rules"));
    if (!story.alertmanager.empty()) {
      daemon_.files().set_content("/alertmanager.yml", story.alertmanager);
      set_config("[routing]\nalertmanager_config = \"/alertmanager.yml\"\n" + story.config);
    } else {
      set_config(story.config.empty() ? kReceiver : story.config);
    }
    if (!story.rules.empty()) daemon_.files().set_content("/rules/story.toml", story.rules);
    daemon_.set_web([this](const net::HttpRequest& request) { return answer(request); });
    begin();
  }

  void run() {
    for (const StoryLine& line : story_.lines) {
      CAPTURE(line.number);
      const base::Duration wait = start_ + line.at - daemon_.now();
      REQUIRE_MESSAGE(wait.count() >= 0, "time goes back");
      daemon_.executor().run_for(wait);
      act(line);
    }
  }

 private:
  void set_config(const std::string& config) {
    daemon_.files().set_content(kConfigPath, kWorld + config);
  }

  void begin() {
    auto loaded = alertd::load_settings(kConfigPath, daemon_.files());
    REQUIRE_MESSAGE(loaded, loaded);
    REQUIRE_MESSAGE(!base::has_errors(loaded->diagnostics),
                    config::render_all(loaded->diagnostics, {&loaded->source, 1}));
    const auto started = daemon_.start(std::move(loaded->settings), kConfigPath);
    REQUIRE_MESSAGE(started, started);
  }

  base::Result<net::HttpResponse> answer(const net::HttpRequest& request) {
    for (const auto& [name, status] : answers_) {
      if (!request.url.ends_with("/" + name)) continue;
      if (status == 0) {
        return base::error(base::ErrorCode::Unavailable, "connection refused");
      }
      net::HttpResponse response;
      response.status = status;
      if (status == 429) response.headers.emplace_back("retry-after", "1800");
      return response;
    }
    net::HttpResponse response;
    response.status = 200;
    return response;
  }

  void act(const StoryLine& line) {
    if (line.verb == "fire" || line.verb == "over") {
      post_alert(line);
    } else if (line.verb == "storm") {
      post_storm(line);
    } else if (line.verb == "silence") {
      post_silence(line);
    } else if (line.verb == "web") {
      const auto words = base::split_fields(line.rest);
      REQUIRE(words.size() == 2);
      answers_[std::string(words[0])] =
          words[1] == "down" ? 0 : static_cast<int>(*base::parse_i64(words[1]));
    } else if (line.verb == "incident") {
      post_command(line);
    } else if (line.verb == "crash") {
      daemon_.crash();
    } else if (line.verb == "start") {
      begin();
    } else if (line.verb == "explain") {
      explain(line);
    } else {
      FAIL("no such verb: " << line.verb);
    }
  }

  net::ServerResponse ask(std::string method, std::string path, const std::string& body,
                          std::multimap<std::string, std::string> query = {}) {
    net::ServerRequest request;
    request.method = std::move(method);
    request.path = std::move(path);
    request.query = std::move(query);
    request.body = body;
    if (!body.empty()) request.headers.emplace_back("content-type", "application/json");
    auto response = daemon_.ask(std::move(request));
    REQUIRE_MESSAGE(response, response);
    REQUIRE_MESSAGE(response->status == 200, response->body);
    return *response;
  }

  json::object alert(const json::object& labels, bool over) const {
    const base::WallTime end = over ? daemon_.now() : daemon_.now() + std::chrono::hours(1000);
    return {{"labels", labels}, {"endsAt", base::format_rfc3339(end)}};
  }

  void post_alert(const StoryLine& line) {
    json::array alerts{alert(labels_json(line.rest), line.verb == "over")};
    if (line.verb == "over") {
      alerts[0].as_object()["startsAt"] = base::format_rfc3339(start_);
    }
    ask("POST", "/api/v2/alerts", json::serialize(alerts));
  }

  /// "storm 30 alertname=Down": so many alerts, told apart by the label n.
  void post_storm(const StoryLine& line) {
    const std::size_t space = line.rest.find(' ');
    const auto count = base::parse_i64(line.rest.substr(0, space));
    json::array alerts;
    for (std::int64_t i = 0; i < *count; ++i) {
      json::object labels = labels_json(line.rest.substr(space));
      labels["n"] = std::to_string(i);
      alerts.push_back(alert(labels, false));
    }
    ask("POST", "/api/v2/alerts", json::serialize(alerts));
  }

  /// "silence MATCHERS for 2h by ann comment words"
  void post_silence(const StoryLine& line) {
    std::string text = line.rest;
    const std::string comment = cut(text, "comment");
    const std::string by = cut(text, "by");
    const auto length = base::parse_duration(cut(text, "for"));
    REQUIRE(length);
    json::array matchers;
    for (const auto& [name, value] : labels_json(text)) {
      matchers.push_back(
          json::object{{"name", name}, {"value", value}, {"isRegex", false}, {"isEqual", true}});
    }
    const json::object silence{{"matchers", matchers},
                               {"startsAt", base::format_rfc3339(daemon_.now())},
                               {"endsAt", base::format_rfc3339(daemon_.now() + *length)},
                               {"createdBy", by},
                               {"comment", comment}};
    ask("POST", "/api/v2/silences", json::serialize(silence));
  }

  /// "incident T-1001 ack {"by": "ann"}"
  void post_command(const StoryLine& line) {
    const std::size_t first = line.rest.find(' ');
    const std::size_t second = line.rest.find(' ', first + 1);
    ask("POST",
        fmt::format("/api/v1/incidents/{}/{}", line.rest.substr(0, first),
                    line.rest.substr(first + 1, second - first - 1)),
        line.rest.substr(second + 1));
  }

  /// "explain LABELS", "explain T-1001", either with " at 10m" behind it.
  void explain(const StoryLine& line) {
    std::string asked = line.rest;
    std::multimap<std::string, std::string> query;
    if (const std::string at = cut(asked, "at"); !at.empty()) {
      query.emplace("at", base::format_rfc3339(start_ + *base::parse_duration(at)));
    }
    query.emplace(asked.starts_with("T-") ? "incident" : "labels", asked);
    const json::value answer = json::parse(ask("GET", "/api/v1/explain", "", query).body);
    const std::string verdict(answer.at("data").at("verdict").as_string());
    REQUIRE(line.expected.size() == 1);
    CHECK_MESSAGE(is_like(verdict, line.expected[0]), line.expected[0], "\n  it said: ", verdict,
                  "\n", json::serialize(answer.at("data").at("decisions")));
  }

  const StoryFile& story_;
  base::WallTime start_;
  SimAlertd daemon_;
  std::map<std::string, int> answers_;
};

}  // namespace

TEST_CASE("stories: the true cause is on the first line") {
  const auto files = base::make_real_file_system();
  auto names = files->list(kFolder);
  REQUIRE_MESSAGE(names, names);
  std::size_t played = 0;
  for (const std::string& name : *names) {
    if (!name.ends_with(".story")) continue;
    CAPTURE(name);
    const auto text = files->read(kFolder + "/" + name, 1 << 20);
    REQUIRE(text);
    const auto story = parse_story(name, *text);
    REQUIRE_MESSAGE(story, story);
    Play(*story).run();
    ++played;
  }
  CHECK(played >= 20);
}

TEST_CASE("stories: patterns") {
  CHECK(is_like("abc", "abc"));
  CHECK(is_like("abc", "a*"));
  CHECK(is_like("abc", "*c"));
  CHECK(is_like("abcabd", "a*abd"));
  CHECK_FALSE(is_like("abc", "ab"));
  CHECK_FALSE(is_like("abc", "*d"));
}

}  // namespace tocsin::sim
