#include "alertd/api/report_handlers.h"

#include <doctest/doctest.h>

#include <map>

#include "common/base/sim_executor.h"

namespace tocsin::api {
namespace {

const base::WallTime kNow = base::parse_rfc3339("2026-11-26T12:00:00Z").value();

/// Remembers what it was asked; answers `error` if one is set.
struct FakeReports final : ReportView {
  std::optional<base::Error> error;
  std::string asked;
  ReportFormat format = ReportFormat::Markdown;
  ReportChange change;
  ActionChange action;
  NewsRequest news_request;
  base::WallTime from, to;

  void report(std::string id, ReportFormat asked_format, Done<std::string> done) override {
    asked = id;
    format = asked_format;
    if (error) return done(*error);
    done(format == ReportFormat::Json ? "{\"id\":\"T-12\"}" : "# Report \xff");
  }
  void change_report(ReportChange given, Done<void> done) override {
    change = std::move(given);
    done(error ? base::Result<void>(*error) : base::ok());
  }
  void actions(Done<std::vector<ActionInfo>> done) override {
    ActionInfo open;
    open.id = "A-12-1";
    open.due = kNow;
    ActionInfo over;
    over.id = "A-12-2";
    over.done_at = kNow;
    done(std::vector{open, over});
  }
  void change_action(ActionChange given, Done<std::string> done) override {
    action = std::move(given);
    if (error) return done(*error);
    done("A-12-1");
  }
  void news(std::string id, Done<std::vector<NewsInfo>> done) override {
    asked = id;
    NewsInfo one;
    one.state = "identified";
    one.audiences = {"dean"};
    done(std::vector{one});
  }
  void tell(NewsRequest request, Done<void> done) override {
    news_request = std::move(request);
    done(error ? base::Result<void>(*error) : base::ok());
  }
  void statistics(base::WallTime begin, base::WallTime end, Done<std::string> done) override {
    from = begin;
    to = end;
    done("{\"rules\":[]}");
  }
};

struct Fixture {
  FakeReports reports;
  base::SimClock clock{kNow};
  std::vector<Route> routes = report_routes(reports, clock);

  net::ServerResponse ask(const std::string& method, const std::string& pattern,
                          const std::string& body = {},
                          const std::map<std::string, std::string>& query = {}) {
    net::ServerResponse answer;
    for (const Route& route : routes) {
      if (route.method != method || route.pattern != pattern) continue;
      ApiCall call;
      call.request.method = method;
      call.request.query = {query.begin(), query.end()};
      if (!body.empty()) {
        call.request.headers.emplace_back("content-type", "application/json");
        call.request.body = body;
      }
      call.path = {"T-12"};
      call.source = "api 192.0.2.7";
      call.respond = [&answer](net::ServerResponse response) { answer = std::move(response); };
      route.handler(std::move(call));
      return answer;
    }
    FAIL("no route " << method << " " << pattern);
    return answer;
  }
};

constexpr const char* kReport = "/api/v1/incidents/<id>/report";

TEST_CASE("reports: three formats, and what is no format") {
  Fixture f;
  auto response = f.ask("GET", kReport);
  CHECK(response.status == 200);
  CHECK(response.content_type == "text/markdown; charset=utf-8");
  CHECK(response.body == "# Report \xef\xbf\xbd");
  CHECK(f.reports.asked == "T-12");
  response = f.ask("GET", kReport, {}, {{"format", "html"}});
  CHECK(response.content_type == "text/html; charset=utf-8");
  CHECK(response.headers.at(0).second.starts_with("default-src 'none'"));
  response = f.ask("GET", kReport, {}, {{"format", "json"}});
  CHECK(response.body == "{\"status\":\"success\",\"data\":{\"id\":\"T-12\"}}\n");
  CHECK(f.ask("GET", kReport, {}, {{"format", "pdf"}}).status == 400);
  f.reports.error = base::error(base::ErrorCode::NotFound, "there is no incident 'T-12'");
  CHECK(f.ask("GET", kReport).status == 404);
}

TEST_CASE("reports: parts are written with a name, and only texts") {
  Fixture f;
  auto response = f.ask("PUT", kReport, R"({"by":"ada","fields":{"root_cause":"logs"}})");
  CHECK(response.status == 200);
  CHECK(f.reports.change.by == "ada");
  CHECK(f.reports.change.source == "api 192.0.2.7");
  CHECK(f.reports.change.fields.at("root_cause") == "logs");
  CHECK(f.ask("PUT", kReport, R"({"fields":{"root_cause":"logs"}})").body.find("'by' is missing") !=
        std::string::npos);
  CHECK(f.ask("PUT", kReport, R"({"by":"ada"})").status == 400);
  CHECK(f.ask("PUT", kReport, R"({"by":"ada","fields":"x"})").status == 400);
  CHECK(f.ask("PUT", kReport, R"({"by":"ada","field":{}})").status == 400);
}

TEST_CASE("action items: days mean their end, spans are from now") {
  Fixture f;
  constexpr const char* kAdd = "/api/v1/incidents/<id>/actions";
  auto response = f.ask("POST", kAdd, R"({"by":"ada","text":"rotate logs","due":"2026-12-24"})");
  CHECK(response.status == 201);
  CHECK(f.reports.action.incident == "T-12");
  CHECK(f.reports.action.item.text == "rotate logs");
  CHECK(f.reports.action.item.type == "prevent");
  CHECK(f.reports.action.item.due == base::parse_rfc3339("2026-12-24T23:59:59Z").value());
  f.ask("POST", kAdd, R"({"by":"ada","text":"x","due":"2d"})");
  CHECK(f.reports.action.item.due == kNow + std::chrono::hours(48));
  response = f.ask("POST", kAdd, R"({"by":"ada","text":"x","due":"soon"})");
  CHECK(response.status == 400);
  CHECK(response.body.find("2026-12-24") != std::string::npos);
  response = f.ask("POST", "/api/v1/actions/<id>/done", R"({"by":"ada"})");
  CHECK(response.status == 200);
  CHECK(f.reports.action.done);
  CHECK(f.reports.action.id == "T-12");
  f.ask("POST", "/api/v1/actions/<id>", R"({"by":"ada","owner":"ben"})");
  CHECK(f.reports.action.owner == "ben");
  CHECK(!f.reports.action.due);
  CHECK(f.ask("GET", "/api/v1/actions").body.find("A-12-2") == std::string::npos);
  CHECK(f.ask("GET", "/api/v1/actions", {}, {{"state", "all"}}).body.find("A-12-2") !=
        std::string::npos);
}

TEST_CASE("news: told and shown") {
  Fixture f;
  constexpr const char* kNews = "/api/v1/incidents/<id>/news";
  auto response = f.ask(
      "POST", kNews, R"({"by":"ada","state":"identified","text":"words","audience":"dean, it"})");
  CHECK(response.status == 200);
  CHECK(f.reports.news_request.audiences == std::vector<std::string>{"dean", "it"});
  CHECK(f.reports.news_request.text == "words");
  CHECK(f.ask("POST", kNews, R"({"by":"ada"})").status == 400);
  const std::string long_text(20'000, 'x');
  CHECK(f.ask("POST", kNews, R"({"by":"a","state":"identified","text":")" + long_text + "\"}")
            .status == 400);
  CHECK(f.ask("GET", kNews).body.find(R"("audiences":["dean"])") != std::string::npos);
}

TEST_CASE("statistics: the last 30 days unless asked otherwise, and limits") {
  Fixture f;
  CHECK(f.ask("GET", "/api/v1/statistics").body ==
        "{\"status\":\"success\",\"data\":{\"rules\":[]}}\n");
  CHECK(f.reports.to == kNow);
  CHECK(f.reports.from == kNow - std::chrono::hours(24 * 30));
  CHECK(f.ask("GET", "/api/v1/statistics", {}, {{"from", "2020-01-01T00:00:00Z"}}).status == 400);
  CHECK(f.ask("GET", "/api/v1/statistics", {}, {{"from", "yesterday"}}).status == 400);
}

}  // namespace
}  // namespace tocsin::api
