// tests/e2e/amtool_test.py reads the same text with amtool itself.
#include "alertd/routing/alertmanager_export.h"

#include <doctest/doctest.h>

#include "alertd/routing/route_config.h"
#include "common/config/source.h"
#include "common/config/yaml.h"

namespace tocsin::routing {
namespace {

TEST_CASE("a tree with inherited and own settings") {
  Routing routing;
  routing.root.receiver = "chat";
  routing.root.group_by = {"alertname", "host"};
  Route pages;
  pages.name = "pages";
  pages.matchers = {model::Matcher::equal("severity", "critical"),
                    *model::Matcher::make(model::MatchOp::Regex, "host", "db\"\\d+")};
  pages.receiver = "on \"call\"";
  pages.group_by_all = true;
  pages.timing.repeat_interval = base::Duration{0};
  pages.continues = true;
  Route inner;
  inner.matchers = {model::Matcher::equal("team", "dba")};
  pages.children = {inner};
  routing.root.children = {pages};
  complete_routes(routing.root);
  const std::vector<std::string> receivers{"chat", "spare"};
  CHECK(export_alertmanager(routing, receivers, std::chrono::minutes(5)) == R"(global:
  resolve_timeout: 5m
route:
  receiver: "chat"
  group_by: ["alertname", "host"]
  group_wait: 1m
  group_interval: 15m
  repeat_interval: 1d
  routes:
  # route 'pages'
  - receiver: "on \"call\""
    group_by: ["..."]
    matchers:
    - "severity=\"critical\""
    - "host=~\"db\\\"\\\\d+\""
    repeat_interval: 10y
    continue: true
    routes:
    - receiver: "on \"call\""
      group_by: []
      matchers:
      - "team=\"dba\""
receivers:
- name: "chat"
- name: "spare"
- name: "on \"call\""
)");
}

TEST_CASE("a file without its secrets says the same otherwise") {
  const config::Source source{"am.yml", R"(global:
  smtp_auth_password: hunter2
  resolve_timeout: 5m   # a comment
templates: []
route:
  receiver: a
  matchers: ['a="b"', c=~"d"]
  routes:
  - receiver: b
    continue: true
    mute_time_intervals:
    - night
receivers:
- name: a
  webhook_configs:
  - url: https://user:pw@hooks.example/T0/B0/xyz?k=v
    max_alerts: 5
    http_config:
      basic_auth: {username: u, password: pw}
      authorization:
        credentials_file: /etc/x
  slack_configs:
  - api_url: https://hooks.slack.example/T
    channel: '#ops'
    text: |-
      line "one"
      line two
- name: b
inhibit_rules: [null]
)"};
  base::Diagnostics diagnostics;
  const config::Node root = config::parse_yaml(source, diagnostics);
  REQUIRE(diagnostics.empty());
  CHECK(masked_alertmanager(root) == R"(global:
  smtp_auth_password: "<secret>"
  resolve_timeout: 5m
templates: []
route:
  receiver: a
  matchers:
  - "a=\"b\""
  - "c=~\"d\""
  routes:
  - receiver: b
    continue: true
    mute_time_intervals:
    - night
receivers:
- name: a
  webhook_configs:
  - url: "https://hooks.example/%3Csecret%3E"
    max_alerts: 5
    http_config:
      basic_auth:
        username: u
        password: "<secret>"
      authorization:
        credentials_file: /etc/x
  slack_configs:
  - api_url: "<secret>"
    channel: "#ops"
    text: "line \"one\"\u000aline two"
- name: b
inhibit_rules:
- null
)");
}

TEST_CASE("control characters stay inside their scalar") {
  CHECK(yaml_quoted("a\nb\x7f\\") == R"("a\u000ab\u007f\\")");
}

}  // namespace
}  // namespace tocsin::routing
