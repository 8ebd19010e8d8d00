#include "alertd/routing/route_config.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "common/base/file_system.h"
#include "common/config/toml.h"

namespace tocsin::routing {
namespace {

struct Read {
  Routing routing;
  std::vector<std::string> errors;  ///< "line:column: message"
};

Read read(std::string text) {
  const config::Source source{"alertd.toml", std::move(text)};
  const auto files = base::make_real_file_system();
  base::Diagnostics diagnostics;
  const config::Node node = config::parse_toml(source, diagnostics);
  config::Context context{source, diagnostics, *files};
  config::Table root(context, &node);
  config::Table incident = root.table("incident");
  Read result;
  result.routing = read_routing(root, incident, std::vector<std::string>{"chat", "oncall"});
  incident.finish();
  root.finish();
  for (const auto& each : diagnostics) {
    result.errors.push_back(fmt::format("{}:{}: {}", each.line, each.column, each.message));
  }
  return result;
}

bool has_error(const Read& read, std::string_view text) {
  for (const std::string& error : read.errors) {
    if (error.find(text) != std::string::npos) return true;
  }
  for (const std::string& error : read.errors) MESSAGE(error);
  return false;
}

}  // namespace

TEST_CASE("route config: a tree with inheritance") {
  const Read result = read(R"(
[incident]
resolve_hold = "2m"
[route]
receiver = "chat"
group_by = ["host", "alertname"]
group_wait = "10s"
[[route.routes]]
name = "pages"
matchers = ['severity="critical"', 'host=~"db.*"']
receiver = "oncall"
repeat_interval = "0s"
continue = true
[[route.routes.routes]]
matchers = "team=x"
group_by = ["..."]
)");
  for (const std::string& error : result.errors) MESSAGE(error);
  REQUIRE(result.errors.empty());
  CHECK(result.routing.resolve_wait == std::chrono::minutes(2));
  const Route& root = result.routing.root;
  CHECK(root.name == "{}");
  CHECK(root.group_by == std::vector<std::string>{"alertname", "host"});
  REQUIRE(root.children.size() == 1);
  const Route& pages = root.children[0];
  CHECK(pages.name == "pages");
  CHECK(pages.continues);
  CHECK(pages.matchers.size() == 2);
  CHECK(pages.timing.group_wait == std::chrono::seconds(10));
  CHECK(pages.timing.repeat_interval == base::Duration{0});
  CHECK(pages.group_by == root.group_by);
  REQUIRE(pages.children.size() == 1);
  CHECK(pages.children[0].receiver == "oncall");
  CHECK(pages.children[0].group_by_all);
  CHECK(!pages.children[0].continues);
}

TEST_CASE("route config: without any setting") {
  const Read result = read("[route]\nreceiver = \"chat\"\n");
  CHECK(result.errors.empty());
  CHECK(result.routing.root.group_by == std::vector<std::string>{"alertname"});
  CHECK(result.routing.resolve_wait == base::Duration{0});
}

TEST_CASE("route config: every mistake is told, at its place") {
  const Read result = read(R"([route]
receiver = "chatt"
matchers = ["a=b"]
group_interval = "10ms"
group_by = ["...", "a"]
[[route.routes]]
name = "x"
matchers = ["ok=1", "severity critical"]
[[route.routes]]
name = "x"
receivr = "chat"
group_by = ["a", "a"]
matchers = ['h=~"("']
)");
  CHECK(has_error(result, "there is no receiver 'chatt'"));
  CHECK(has_error(result, "'matchers' has no place here"));
  CHECK(has_error(result, "group_interval must be at least 1s"));
  CHECK(has_error(result, "'...' means all labels and must stand alone"));
  // Column: `matchers = ["ok=1", "` is 21 bytes, then 9 bytes of the matcher.
  CHECK(has_error(result, "8:31: matcher 'severity critical': expected =, !=, =~ or !~"));
  CHECK(has_error(result, "two routes are named 'x'"));
  CHECK(has_error(result, "receivr"));
  CHECK(has_error(result, "a label is named twice"));
  CHECK(has_error(result, "13:17: matcher 'h=~\"(\"': bad regular expression"));
  CHECK(has_error(read(""), "receiver"));
}

}  // namespace tocsin::routing
