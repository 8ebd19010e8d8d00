#include "alertd/routing/alertmanager_config.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "common/config/yaml.h"

namespace tocsin::routing {
namespace {

struct Read {
  Routing routing;
  std::string messages;  ///< "line:column message; ..."
};

Read read(std::string text) {
  const auto files = base::make_real_file_system();
  const config::Source source{"am.yml", std::move(text)};
  base::Diagnostics diagnostics;
  const config::Node document = config::parse_yaml(source, diagnostics);
  config::Context context{source, diagnostics, *files};
  config::Table root(context, &document);
  Read result;
  result.routing = read_alertmanager_routing(root);
  root.finish();
  for (const auto& each : diagnostics) {
    result.messages += fmt::format("{}{}:{} {}", result.messages.empty() ? "" : "; ", each.line,
                                   each.column, each.message);
  }
  return result;
}

constexpr std::string_view kReceivers = R"(
receivers:
- name: a
  webhook_configs:
  - url: http://127.0.0.1/
  - url: http://127.0.0.1/2
    send_resolved: false
  email_configs:
  - to: x@example.org
- name: b
)";

TEST_CASE("alertmanager.yml: defaults, inheritance and integrations") {
  const Read got = read(R"(
route:
  receiver: a
  group_by: [alertname]
  labels: {team: ops}
  routes:
  - matchers: [z="1", 'a=~"x|y"']
    group_by: []
    group_wait: 1s
    mute_time_intervals: [night]
    continue: true
    labels: {tier: "1"}
    routes:
    - match_re: {foo: "b.*"}
      receiver: b
  - match: {q: "2"}
    group_by: ['...']
time_intervals:
- name: night
  time_intervals:
  - times: [{start_time: '22:00', end_time: '24:00'}]
    weekdays: ['monday:friday']
    location: Europe/Berlin
)" + std::string(kReceivers));
  CHECK(got.messages.empty());
  const Routing& routing = got.routing;
  CHECK(routing.alertmanager);
  CHECK_FALSE(routing.resolve_wait);
  CHECK(routing.root.timing.repeat_interval == std::chrono::hours(4));
  REQUIRE(routing.root.children.size() == 2);
  const Route& first = routing.root.children[0];
  CHECK(first.path == R"({}/{a=~"x|y",z="1"})");
  CHECK(first.group_by.empty());
  CHECK(first.continues);
  CHECK(first.labels == std::map<std::string, std::string>{{"team", "ops"}, {"tier", "1"}});
  CHECK(*first.timing.group_wait == std::chrono::seconds(1));
  const Route& inner = first.children.at(0);
  CHECK(inner.path == R"re({}/{a=~"x|y",z="1"}/{foo=~"^(?:b.*)$"})re");
  CHECK(*inner.timing.group_wait == std::chrono::seconds(1));
  CHECK(inner.mute_time_intervals.empty());  // not inherited
  CHECK(inner.labels.size() == 2);
  CHECK(routing.root.children[1].group_by_all);
  const auto& integrations = routing.receivers.at("a");
  REQUIRE(integrations.size() == 3);
  CHECK(integrations[1].channel == "webhook-2");
  CHECK_FALSE(integrations[1].send_resolved);
  CHECK(integrations[2].channel == "email");
  CHECK_FALSE(integrations[2].send_resolved);
  CHECK(routing.receivers.at("b").empty());
  CHECK(routing.time_intervals.at(0).periods.at(0).zone.name() == "Europe/Berlin");
}

TEST_CASE("alertmanager.yml: twins share the path, not the name") {
  const Read got =
      read("route: {receiver: a, routes: [{match: {x: '1'}, continue: true}, {match: {x: '1'}}]}" +
           std::string(kReceivers));
  CHECK(got.messages.empty());
  const auto& children = got.routing.root.children;
  CHECK(children[0].path == children[1].path);
  CHECK(children[0].name != children[1].name);
  CHECK(group_key(children[0], model::Labels({{"a", "1"}, {"b", "2"}})) ==
        R"({}/{x="1"}:{a="1", b="2"})");
}

TEST_CASE("alertmanager.yml: inhibition in both notations, and the empty rule") {
  const Read got = read(R"(
route: {receiver: a}
inhibit_rules:
-
- source_match: {s: "1"}
  source_match_re: {t: "2|3"}
  target_matchers: ['severity="warning"']
  equal: [host]
)" + std::string(kReceivers));
  CHECK(got.messages.empty());
  REQUIRE(got.routing.inhibit_rules.size() == 2);
  CHECK(got.routing.inhibit_rules[1].sources.at(0).size() == 2);
  CHECK(got.routing.inhibit_rules[1].equal == std::vector<std::string>{"host"});
  Inhibition inhibition(got.routing.inhibit_rules);
  model::Alert alert;
  alert.labels = model::Labels({{"x", "y"}});
  inhibition.fires(alert.fingerprint(), alert);
  CHECK(inhibition.inhibitors(alert).empty());
}

TEST_CASE("alertmanager.yml: what is refused, where") {
  const auto messages = [](std::string_view text) {
    return read(std::string(text) + std::string(kReceivers)).messages;
  };
  CHECK(messages("global: {}") == "1:1 no route provided in config");
  CHECK(messages("route: {group_by: [x]}") == "1:8 root route must specify a default receiver");
  CHECK(messages("route:\n  receiver: c") == "2:13 undefined receiver \"c\" used in route");
  CHECK(messages("route: {receiver: a, matchers: [x=\"1\"]}") ==
        "1:8 root route must not have any matchers");
  CHECK(messages("route: {receiver: a, continue: true}") ==
        "1:32 cannot have continue in root route");
  CHECK(messages("route: {receiver: a, group_interval: 0s}") ==
        "1:38 group_interval cannot be zero");
  CHECK(messages("route: {receiver: a, group_by: [x, x]}") ==
        "1:32 duplicated label \"x\" in group_by");
  CHECK(messages("route: {receiver: a, group_by: ['...', x]}") ==
        "1:32 cannot have wildcard group_by (`...`) and other labels at the same time");
  CHECK(messages("route: {receiver: a, routes: [{mute_time_intervals: [x]}]}") ==
        "1:53 undefined time interval \"x\" used in route");
  CHECK(messages("route: {receiver: a, routes: [{matchers: ['x=\"1']}]}").find("1:4") == 0);
  CHECK(messages("route: {receiver: a, nonsense: 1}").find("nonsense") != std::string::npos);
  CHECK(messages("route: {receiver: a}\ntime_intervals: [{name: n, time_intervals: [{weekdays: "
                 "['friday:monday']}]}]") == "2:58 start weekday cannot be after end weekday");
}

TEST_CASE("matchers: the old reader, and which of the two counts") {
  const auto classic = [](std::string_view text) -> std::string {
    const auto read = parse_classic_matchers(text);
    if (!read) return "error: " + read.error().message;
    std::string all;
    for (const auto& matcher : *read) all += matcher.to_string() + " ";
    return all;
  };
  CHECK(classic(R"({foo = bar, baz=~"x,y" ,})") == R"(foo="bar" baz=~"x,y" )");
  CHECK(classic("foo=") == R"(foo="" )");
  CHECK(classic("foo!=a b") == R"(foo!="a b" )");
  CHECK(classic(R"(foo="a\nb\d\\")") == R"(foo="a\nb\\d\\" )");
  CHECK(classic(R"(foo="bar)") == "error: matcher value contains unescaped double quote: \"bar");
  CHECK(classic(R"(foo=b"ar)") == "error: matcher value contains unescaped double quote: b\"ar");
  CHECK(classic("foo") == "error: bad matcher format: foo");
  CHECK(classic("1foo=x") == "error: bad matcher format: 1foo=x");
  CHECK(classic("").empty());

  const auto both = [](std::string_view text) { return parse_alertmanager_matchers(text); };
  CHECK(both("foo=\"bar\"")->warning.empty());
  CHECK(both("foo=")->warning.find("will not be read by a later") != std::string::npos);
  CHECK(both("föö=bar")->matchers.at(0).name() == "föö");  // only the new reader knows it
  const auto differ = both(R"(foo="\x41")");
  REQUIRE(differ);
  CHECK(differ->warning.find("means something else") != std::string::npos);
  CHECK(differ->matchers.at(0).value() == R"(\x41)");
  CHECK(parse_alertmanager_matchers(R"(foo="\x41")", MatcherMode::Utf8Strict)
            ->matchers.at(0)
            .value() == "A");
  CHECK_FALSE(parse_alertmanager_matchers("foo=", MatcherMode::Utf8Strict));
  CHECK_FALSE(parse_alertmanager_matchers("föö=bar", MatcherMode::Classic));
  CHECK_FALSE(both("foo"));
}

}  // namespace
}  // namespace tocsin::routing
