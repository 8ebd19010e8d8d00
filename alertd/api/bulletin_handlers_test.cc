#include "alertd/api/bulletin_handlers.h"

#include <doctest/doctest.h>

namespace tocsin::api {
namespace {

struct FakeBulletins final : BulletinView {
  std::optional<base::Error> error;
  BulletinRequest asked;

  void bulletin(BulletinRequest request, Done<BulletinText> done) override {
    asked = std::move(request);
    if (error) return done(*error);
    done(BulletinText{"text/csv; charset=utf-8", "a,b\xff\n"});
  }
};

net::ServerResponse ask(FakeBulletins& view, std::multimap<std::string, std::string> query) {
  const std::vector<Route> routes = bulletin_routes(view);
  REQUIRE(routes.size() == 1);
  CHECK(routes[0].pattern == "/api/v1/reports/<kind>");
  CHECK(routes[0].access == Access::Read);
  net::ServerResponse answer;
  ApiCall call;
  call.request.method = "GET";
  call.request.query = {query.begin(), query.end()};
  call.path = {"weekly"};
  call.respond = [&answer](net::ServerResponse response) { answer = std::move(response); };
  routes[0].handler(std::move(call));
  return answer;
}

TEST_CASE("reports of a time: what is asked for, and a page that can do nothing") {
  FakeBulletins view;
  const auto answer = ask(view, {{"from", "2026-11-01T00:00:00Z"},
                                 {"to", "1795000000"},
                                 {"format", "csv"},
                                 {"timezone", "Asia/Phnom_Penh"}});
  CHECK(answer.status == 200);
  CHECK(answer.content_type == "text/csv; charset=utf-8");
  CHECK(answer.body.find('\xff') == std::string::npos);
  bool policy = false;
  for (const auto& [name, value] : answer.headers) {
    policy =
        policy || (name == "Content-Security-Policy" && value.starts_with("default-src 'none'"));
  }
  CHECK(policy);
  CHECK(view.asked.kind == "weekly");
  CHECK(view.asked.format == "csv");
  CHECK(view.asked.time_zone == "Asia/Phnom_Penh");
  CHECK(base::format_rfc3339(view.asked.from.value()) == "2026-11-01T00:00:00Z");
  CHECK(base::to_seconds(view.asked.to.value()) == 1795000000);
}

TEST_CASE("reports of a time: by default a page of the kind's own time; errors as everywhere") {
  FakeBulletins view;
  CHECK(ask(view, {}).status == 200);
  CHECK(view.asked.format == "html");
  CHECK_FALSE(view.asked.from);
  CHECK_FALSE(view.asked.to);
  CHECK(ask(view, {{"from", "yesterday"}}).status == 400);
  view.error = base::error(base::ErrorCode::NotFound, "no report 'weakly'");
  CHECK(ask(view, {}).status == 404);
  view.error = base::error(base::ErrorCode::Unavailable, "2 reports are being made");
  CHECK(ask(view, {}).status == 503);
}

}  // namespace
}  // namespace tocsin::api
