// Who may use what: every route of the table from this host, from elsewhere, with and without the
// token.
#include "alertd/api/router.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include "alertd/api/json.h"
#include "alertd/api/test_support.h"
#include "common/base/strings.h"

namespace tocsin::api {
namespace {

using test::World;

/// The pattern with something in place of its <...>.
std::string path_of(const Route& route) {
  std::string path;
  for (const std::string_view part : base::split(route.pattern, '/')) {
    path += path.empty() && part.empty() ? "" : "/";
    path += part.starts_with('<') ? "x" : std::string(part);
  }
  return path;
}

net::ServerRequest remote(std::string method, std::string path) {
  net::ServerRequest request = World::request(std::move(method), std::move(path));
  request.peer_address = "192.0.2.7";
  request.peer_is_loopback = false;
  request.headers = {{"host", "alertd.example:9464"}};
  return request;
}

bool refused(const net::ServerResponse& response) {
  return response.status == 401 || response.status == 403;
}

TEST_CASE("access matrix: route x origin x token") {
  World world;
  ApiOptions options;
  options.admin_token = base::Secret("s3cret");
  world.api = world.make(options);
  for (const Route& route : world.api->routes()) {
    CAPTURE(route.method + " " + route.pattern);
    const bool open = route.access == Access::Public || route.access == Access::Ingest;
    const std::string path = path_of(route);
    CHECK_FALSE(refused(world.ask(World::request(route.method, path))));
    CHECK(refused(world.ask(remote(route.method, path))) == !open);
    auto request = remote(route.method, path);
    request.headers.emplace_back("authorization", "bearer s3cret");
    CHECK_FALSE(refused(world.ask(request)));
    request.headers.back().second = "Bearer wrong";
    CHECK(refused(world.ask(request)) == !open);
    // A wrong token is an error from this host, too.
    request = World::request(route.method, path);
    request.headers.emplace_back("authorization", "Bearer wrong");
    CHECK(refused(world.ask(request)) == !open);
  }
}

TEST_CASE("audit: calls of audited routes when they are answered, and all that were refused") {
  base::Metrics metrics;
  std::vector<Route> routes{
      {"POST", "/api/v1/thing/<name>", Access::Write,
       [](const ApiCall& call) { call.respond(plain_text(201, "")); }, "thing.add"},
      {"GET", "/api/v1/thing", Access::Read,
       [](const ApiCall& call) { call.respond(plain_text(200, "")); }}};
  Router router(std::move(routes), base::Secret("s3cret"), metrics, {});
  std::vector<std::string> told;
  router.audit_with([&](const AuditedCall& call) {
    told.push_back(fmt::format("{}|{}|{}|{}{}", call.source, call.action, call.object, call.status,
                               call.refused ? " refused" : ""));
  });
  const auto ask = [&](net::ServerRequest request) {
    router.handle(std::move(request), [](auto) {});
  };
  ask(World::request("GET", "/api/v1/thing"));
  CHECK(told.empty());
  ask(World::request("POST", "/api/v1/thing/x"));
  auto request = remote("POST", "/api/v1/thing/y");
  request.headers.emplace_back("authorization", "Bearer guess");
  ask(request);
  ask(remote("GET", "/api/v1/thing"));
  REQUIRE(told.size() == 3);
  CHECK(told[0].ends_with("local|thing.add|POST /api/v1/thing/x|201"));
  CHECK(told[1] == "api 192.0.2.7 refused|api.bad_token|POST /api/v1/thing/y|401 refused");
  CHECK(told[2] == "api 192.0.2.7 refused|api.no_token|GET /api/v1/thing|401 refused");
}

TEST_CASE("without an admin token no token is right") {
  World world;
  for (const char* value : {"Bearer ", "Bearer x", "bearer", "Basic eDp5"}) {
    auto request = remote("GET", "/api/v1/rules");
    request.headers.emplace_back("authorization", value);
    const auto response = world.ask(request);
    CHECK(response.status == 401);
    CHECK(response.body.find("\"errorType\":\"unauthorized\"") != std::string::npos);
  }
}

TEST_CASE("a proxy on this host or a rebound name does not make a request local") {
  World world;
  for (const char* name : {"x-forwarded-for", "forwarded", "x-real-ip", "via"}) {
    auto request = World::request("GET", "/api/v1/rules");
    request.headers.emplace_back(name, "192.0.2.1");
    CHECK(world.ask(request).status == 401);
  }
  auto request = World::request("GET", "/api/v1/rules");
  request.headers = {{"host", "evil.example"}};
  CHECK(world.ask(request).status == 401);
  request.headers = {{"host", "localhost:9464"}};
  CHECK(world.ask(request).status == 200);
}

TEST_CASE("cross-site requests that change something are refused") {
  World world;
  const auto status_with = [&](const char* name, const char* value) {
    auto request = World::request("POST", "/-/reload");
    request.headers.emplace_back(name, value);
    return world.ask(request).status;
  };
  CHECK(status_with("sec-fetch-site", "cross-site") == 403);
  CHECK(status_with("sec-fetch-site", "same-site") == 403);
  CHECK(status_with("sec-fetch-site", "same-origin") == 200);
  CHECK(status_with("sec-fetch-site", "none") == 200);
  CHECK(status_with("origin", "http://evil.example") == 403);
  CHECK(status_with("origin", "null") == 403);
  CHECK(status_with("origin", "http://127.0.0.1:9464") == 200);
  CHECK(world.metrics.counter("tocsin_alertd_api_refused_total", "", {{"reason", "cross_site"}})
            .value() == 4);
}

TEST_CASE("unknown paths and methods") {
  World world;
  auto response = world.ask(World::request("PUT", "/api/v1/query"));
  CHECK(response.status == 405);
  CHECK(response.headers[0] == std::pair<std::string, std::string>("Allow", "GET, POST"));
  CHECK(world.get("/api/v1/nothing").status == 404);
  CHECK(world.get("/api/v1/incidents/").status == 404);
  CHECK(world.get("/api/v1/query/").status == 404);
  CHECK(world.get("/-/nothing").status == 404);
  CHECK(world.get("/").body == "page");
  CHECK(world.get("/incidents/T-1").body == "page");
  CHECK(world.ask(World::request("POST", "/")).status == 404);
}

TEST_CASE("answers are counted by route and not cached") {
  World world;
  const auto response = world.get("/api/v1/incidents/T-9");
  CHECK(response.status == 404);
  CHECK(response.headers.back() ==
        std::pair<std::string, std::string>("Cache-Control", "no-store"));
  CHECK(world.metrics
            .counter("tocsin_alertd_api_requests_total", "",
                     {{"route", "/api/v1/incidents/<id>"}, {"code", "404"}})
            .value() == 1);
}

}  // namespace
}  // namespace tocsin::api
