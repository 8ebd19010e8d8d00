#include "alertd/routing/route.h"

#include <doctest/doctest.h>

#include "alertd/routing/matcher_text.h"
#include "alertd/routing/route_config.h"

namespace tocsin::routing {
namespace {

Route route(std::string_view matchers, std::string receiver, bool continues = false) {
  Route result;
  if (!matchers.empty()) result.matchers = parse_matchers(matchers).value();
  result.receiver = std::move(receiver);
  result.continues = continues;
  return result;
}

model::Alert alert(std::initializer_list<model::LabelView> labels,
                   model::Severity severity = model::Severity::High) {
  model::Alert result;
  result.labels = model::Labels(labels);
  result.severity = severity;
  return result;
}

std::string receivers(const Route& root, const model::Alert& what) {
  std::string result;
  for (const Route* taken : walk(root, what, nullptr)) result += taken->receiver + " ";
  return result;
}

}  // namespace

TEST_CASE("route walk: first matching child, unless it continues; the parent only without child") {
  Route root = route("", "root");
  Route team = route("team=db", "db", true);
  team.children = {route("severity=critical", "db-pager"), route("severity=high", "db-chat")};
  root.children = {team, route("host=~\"x.*\"", "x"), route("host=x1", "x1")};
  complete_routes(root);
  CHECK(receivers(root, alert({{"a", "b"}})) == "root ");
  CHECK(receivers(root, alert({{"team", "db"}})) == "db-chat ");
  CHECK(receivers(root, alert({{"team", "db"}}, model::Severity::Low)) == "db ");
  CHECK(receivers(root, alert({{"team", "db"}, {"host", "x1"}})) == "db-chat x ");
  // The severity of the alert counts, not what a label of that name says.
  CHECK(receivers(root, alert({{"team", "db"}, {"severity", "low"}}, model::Severity::Critical)) ==
        "db-pager ");

  std::vector<RouteStep> trace;
  walk(root, alert({{"host", "y"}}), &trace);
  REQUIRE(trace.size() == 4);  // the children of team are not looked at
  CHECK(trace[0].matched);
  CHECK(trace[1].failed_matcher == "team=\"db\"");
  CHECK(trace[3].depth == 1);
}

TEST_CASE("route names: configured, or the path of matchers, and never twice") {
  Route root = route("", "root");
  root.children = {route("a=b", "one"), route("a=b", ""), route("c=d", "two")};
  root.children[2].name = "named";
  root.timing.group_wait = std::chrono::seconds(7);
  complete_routes(root);
  CHECK(root.name == "{}");
  CHECK(root.children[0].name == "{}/{a=\"b\"}");
  CHECK(root.children[1].name == "{}/{a=\"b\"}#2");
  CHECK(root.children[1].receiver == "root");
  CHECK(root.children[2].name == "named");
  CHECK(root.children[2].timing.group_wait == std::chrono::seconds(7));
  CHECK(find_route(root, "named") == &root.children[2]);
  CHECK(find_route(root, "nobody") == nullptr);
}

TEST_CASE("groups: labels and key") {
  Route by = route("", "r");
  by.name = "all";
  by.group_by = {"alertname", "missing", "severity"};
  const model::Alert what = alert({{"alertname", "A"}, {"host", "h"}}, model::Severity::Low);
  CHECK(group_key(by, group_labels(by, what)) == "all:{alertname=\"A\", severity=\"low\"}");
  by.group_by_all = true;
  CHECK(group_labels(by, what) ==
        model::Labels({{"alertname", "A"}, {"host", "h"}, {"severity", "low"}}));
}

TEST_CASE("timing: by severity where the route is silent") {
  Route silent = route("", "r");
  CHECK(silent.timing_for(model::Severity::Critical).group_wait == std::chrono::seconds(5));
  CHECK(silent.timing_for(model::Severity::Low).repeat_interval == base::Duration{0});
  silent.timing.group_interval = base::Duration{1};
  silent.timing.repeat_interval = std::chrono::hours(2);
  CHECK(silent.timing_for(model::Severity::High).group_interval == std::chrono::seconds(1));
  CHECK(silent.timing_for(model::Severity::Low).repeat_interval == std::chrono::hours(2));
}

}  // namespace tocsin::routing
