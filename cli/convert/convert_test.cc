#include "cli/convert/convert.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "alertd/ruler/rule_file.h"
#include "cli/convert/comments.h"
#include "cli/convert/toml_text.h"
#include "common/base/file_system.h"
#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/toml.h"
#include "common/config/yaml.h"
#include "common/relabel/relabel.h"

namespace tocsin::cli::convert {
namespace {

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// "3: message" for each diagnostic.
std::vector<std::string> remarks(const Converted& converted) {
  std::vector<std::string> out;
  for (const base::Diagnostic& diagnostic : converted.diagnostics) {
    out.push_back(std::to_string(diagnostic.line) + ": " + diagnostic.message);
  }
  return out;
}

bool any_has(const std::vector<std::string>& lines, std::string_view part) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return has(line, part); });
}

std::vector<ruler::RuleGroup> load(const Converted& converted) {
  REQUIRE(converted.files.size() == 1);
  const config::Source source{converted.files[0].name, converted.files[0].text};
  base::Diagnostics diagnostics;
  auto groups = ruler::read_rule_file(source, {}, *base::make_real_file_system(), diagnostics);
  CHECK_MESSAGE(!base::has_errors(diagnostics),
                config::render_all(diagnostics, std::vector<config::Source>{source}));
  return groups;
}

constexpr const char* kRules = R"(# Rules of the storage team.

groups:
  # Disks fill slowly.
  - name: disk  # the group
    interval: 30s
    limit: 10
    labels:
      team: storage
    rules:
      # Page early.
      - alert: DiskFull
        expr: |
          # free space
          disk_free < 5
        for: 10m  # long
        labels:
          severity: page  # wakes somebody
          area: "a#b"
        annotations:
          summary: 'disk of {{ $labels.host }} is "full"'
          # where it says what to do
          runbook_url: https://example.org/disk
          ticket: 'it''s #1'
      - record: host:disk_free:min
        expr: min by (host) (disk_free)
# the end
)";

TEST_CASE("a rule file with comments") {
  const Converted converted = convert_prometheus({"d/disk.yml", kRules}, {});
  CHECK(remarks(converted).empty());
  CHECK(converted.alerts == 1);
  CHECK(converted.recordings == 1);
  CHECK(converted.files[0].name == "disk.toml");
  const std::string expected = R"toml(# Converted by tocsin import from d/disk.yml.
# no_data = "ok" is as before the import; without it an alert that is critical or high fires
# also when its series vanish.

# Rules of the storage team.

# Disks fill slowly.
[[group]]
name = "disk"  # the group
interval = "30s"
limit = 10
labels = { team = "storage" }

# Page early.
[[group.alert]]
name = "DiskFull"
expr = '''
# free space
disk_free < 5
'''
severity = "critical"  # wakes somebody
for = "10m"  # long
no_data = "ok"
summary = 'disk of {{ $labels.host }} is "full"'
# where it says what to do
runbook = "https://example.org/disk"
annotations = { ticket = "it's #1" }
labels = { area = "a#b" }

[[group.record]]
name = "host:disk_free:min"
expr = "min by (host) (disk_free)"

# the end
)toml";
  CHECK(converted.files[0].text == expected);
  const auto groups = load(converted);
  REQUIRE(groups.size() == 1);
  CHECK(groups[0].rules[0].annotations[1].text == "disk of {{ $labels.host }} is \"full\"");
}

TEST_CASE("what does not carry over is said, with its line") {
  const Converted converted = convert_prometheus({"a.yml", R"(groups:
- name: g
  partial_response_strategy: warn
  source_tenants: [a]
  labels: {severity: error}
  rules:
  - alert: A
    expr: up == 0
    runbook: x  # why
  - alert: B
    expr: up == 0
    labels: {severity: ticket}
  - alert: C
    expr: up == 0
    labels: {severity: '{{ if gt $value 1.0 }}a{{ end }}', "with space": "1"}
  - alert: D
    expr: ALERTS{severity="warning"} > 0
  - alert: D
    expr: up == 2
)"},
                                                 {});
  const auto lines = remarks(converted);
  CHECK(any_has(lines, "3: key 'partial_response_strategy' is not carried over"));
  CHECK(any_has(lines, "4: key 'source_tenants' is not carried over"));
  CHECK(any_has(lines, "9: key 'runbook' of 'A' is not carried over"));
  CHECK(any_has(lines, "12: severity 'ticket' is none of ours"));
  CHECK(any_has(lines, "15: label 'with space' is not carried over"));
  CHECK(any_has(lines, "15: the severity of 'C' is a template"));
  CHECK(any_has(lines, "'D' selects ALERTS by severity"));
  CHECK(any_has(lines, "18: 'D' with the same labels is in the group 'g' already"));
  CHECK_FALSE(base::has_errors(converted.diagnostics));
  CHECK(has(converted.files[0].text, "# why"));
  const auto groups = load(converted);
  REQUIRE(groups.size() == 2);
  CHECK(groups[1].name == "g (2)");
  REQUIRE(groups[0].rules.size() == 4);
  // A has the group's severity; B keeps its own as a label.
  CHECK(groups[0].rules[0].levels[0].severity == model::Severity::High);
  CHECK(groups[0].rules[1].labels ==
        std::vector<ruler::NamedText>{{"imported_severity", "ticket"}, {"severity", "medium"}});
  CHECK(groups[0].rules[2].levels[0].severity == model::Severity::Medium);
}

TEST_CASE("severities can be told, and two that mean the same stay apart") {
  ConvertOptions options;
  options.severities["ticket"] = model::Severity::Low;
  const Converted converted = convert_prometheus({"a.yml", R"(groups:
- name: g
  rules:
  - {alert: A, expr: up == 0, labels: {severity: ticket}}
  - {alert: B, expr: up == 0, labels: {severity: page}}
  - {alert: B, expr: up == 1, labels: {severity: critical}}
)"},
                                                 options);
  const auto groups = load(converted);
  REQUIRE(groups.size() == 1);
  CHECK(groups[0].rules[0].levels[0].severity == model::Severity::Low);
  CHECK(groups[0].rules[2].labels ==
        std::vector<ruler::NamedText>{{"imported_severity", "critical"}, {"severity", "critical"}});
}

TEST_CASE("a broken rule becomes a comment and an error; the others load") {
  const Converted converted = convert_prometheus({"a.yml", R"(groups:
- name: g
  rules:
  - alert: Good
    expr: up == 0
    labels: {severity: high}
  - alert: Bad
    expr: up ==
    labels: {severity: high}
  - alert: BadText
    expr: up == 0
    labels: {severity: high}
    annotations:
      summary: '{{ nofunction 1 }}'
)"},
                                                 {});
  const auto lines = remarks(converted);
  CHECK(any_has(lines, "8: "));
  CHECK(any_has(lines, "14: "));
  CHECK(base::has_errors(converted.diagnostics));
  const auto groups = load(converted);
  REQUIRE(groups.size() == 1);
  CHECK(groups[0].rules.size() == 1);
  CHECK(has(converted.files[0].text, "# name = \"Bad\""));
}

TEST_CASE("what is no rule file is refused") {
  CHECK(base::has_errors(convert_prometheus({"a.yml", "a: [1"}, {}).diagnostics));
  CHECK(any_has(remarks(convert_prometheus({"a.yml", "a: 1"}, {})), "this is no rule file"));
  CHECK(any_has(remarks(convert_prometheus({"a.yml", ""}, {})), "no rule groups"));
}

TEST_CASE("pairs of alerts become levels when asked") {
  constexpr const char* kText = R"(groups:
- name: g
  rules:
  # warn first
  - alert: Filling
    expr: 100 * used / size > 80
    for: 15m
    labels: {severity: warning}
    annotations: {summary: 'over 80'}
  - alert: Filling
    expr: (100 * used/size) > 95
    for: 1m
    labels: {severity: critical}
    annotations: {summary: 'over 95'}
  - alert: Other
    expr: used > 1
    labels: {severity: critical}
)";
  ConvertOptions options;
  options.merge_levels = true;
  const Converted converted = convert_prometheus({"a.yml", kText}, options);
  const std::string expected = R"toml(# warn first
# import: 2 alerts 'Filling' made one with levels; its severity is no label
# import: the texts are those of the worst level; they differed
[[group.alert]]
name = "Filling"
value = "(100 * used/size)"
medium = { above = 80, for = "15m" }
critical = { above = 95, for = "1m" }
)toml";
  CHECK(has(converted.files[0].text, expected));
  const auto groups = load(converted);
  REQUIRE(groups[0].rules.size() == 2);
  CHECK(groups[0].rules[0].levels.size() == 2);
  CHECK(groups[0].rules[0].no_data == ruler::NoData::Ok);
  CHECK(load(convert_prometheus({"a.yml", kText}, {}))[0].rules.size() == 3);
}

TEST_CASE("prometheus.yml becomes two proposals") {
  const Converted converted = convert_prometheus({"prometheus.yml", R"(global:
  evaluation_interval: 30s
  external_labels: {site: berlin}
rule_files: [rules/*.yml, one.yml]
alerting:
  alertmanagers: [{alert_relabel_configs: []}]
  alert_relabel_configs:
  # test hosts wake nobody
  - {source_labels: [host], regex: 'test-\d+', target_label: severity, replacement: low}
  - {source_labels: [host], modulus: 8, target_label: shard, action: HashMod}
  - {action: explode}
  - regex: replica
    action: labeldrop
remote_write: [{url: 'http://x'}]
scrape_configs:
# the shop
- job_name: shop
  basic_auth: {username: me, password: topsecret}
  static_configs:
  - targets: [a:8000, 'b:8000']
    labels: {tier: front}
  metric_relabel_configs:
  - {source_labels: [__name__], regex: 'go_.*', action: drop}
- job_name: k8s
  kubernetes_sd_configs: [{role: pod}]
)"},
                                                 {});
  REQUIRE(converted.files.size() == 2);
  CHECK(has(converted.files[0].text,
            "paths = [\"rules\", \"one.yml\"]\ninterval = \"30s\"\n"
            "external_labels = { site = \"berlin\" }\n"));
  {
    const config::Source source{"alertd.toml", converted.files[0].text};
    base::Diagnostics diagnostics;
    const auto files = base::make_real_file_system();
    config::Context context{source, diagnostics, *files};
    const config::Node node = config::parse_toml(source, diagnostics);
    config::Table root(context, &node);
    std::vector<relabel::Rule> rules;
    config::Table table = root.table("rules");
    for (config::Table& rule : table.tables("alert_relabel")) {
      rules.push_back(relabel::read_rule(rule));
    }
    REQUIRE(diagnostics.empty());
    REQUIRE(rules.size() == 3);
    relabel::MutableLabels labels{{"host", "test-7"}, {"replica", "a"}};
    REQUIRE(relabel::apply(rules, labels));
    REQUIRE(labels.size() == 3);
    CHECK(labels[1].second == "low");
    CHECK(labels[2].first == "shard");
    CHECK(has(source.text, "# test hosts wake nobody\n[[rules.alert_relabel]]\n"));
  }
  CHECK(has(converted.files[1].text, "# the shop\n"));
  CHECK(has(converted.files[1].text,
            "url = [\"http://a:8000/metrics\", \"http://b:8000/metrics\"]\nlabels = { tier = "
            "\"front\" }\nbasic_user = \"me\"\n"));
  CHECK(has(converted.files[1].text, "basic_password_file = \"/etc/tocsin/shop.password\""));
  for (const OutputFile& file : converted.files) {
    CHECK_FALSE(has(file.text, "topsecret"));
    base::Diagnostics diagnostics;
    config::parse_toml({file.name, file.text}, diagnostics);
    CHECK(diagnostics.empty());
  }
  const auto lines = remarks(converted);
  CHECK_FALSE(any_has(lines, "topsecret"));
  CHECK(any_has(lines, "'alertmanagers' is not carried over"));
  CHECK(any_has(lines, "6: relabelling for one Alertmanager is not carried over"));
  CHECK(any_has(lines, "relabelling with action 'explode' is not carried over"));
  CHECK(any_has(lines, "14: 'remote_write' is not carried over"));
  CHECK(any_has(lines, "25: 'kubernetes_sd_configs' of job 'k8s' is not carried over"));
}

constexpr const char* kAlertmanager = R"(# Who is told.
global:
  smtp_smarthost: mail.example.org:587
  smtp_from: Tocsin <alerts@example.org>
  smtp_auth_username: alerts
  smtp_auth_password: s3cr3t
  slack_api_url: https://hooks.slack.com/services/T0/B0/verysecretword
  resolve_timeout: 5m
route:
  receiver: ops/mail  # default
  group_by: [alertname, cluster]
  repeat_interval: 12h
  routes:
  # wake somebody
  - matchers: [severity="page", team=~"db|web"]
    receiver: pager
    continue: true
    mute_time_intervals: [night]
  - match: {severity: warning}
    receiver: chat
receivers:
- name: ops/mail
  email_configs:
  - to: 'Ops <ops@example.org>, two@example.org'
    headers: {Subject: '{{ .Status }}', X-Team: a}
- name: pager
  pagerduty_configs: [{service_key: abcdef}]
  webhook_configs:
  - url: http://127.0.0.1:9000/hook
  - url: https://example.org/hook?token=abcdef
- name: chat
  slack_configs:
  - channel: '#ops'
    send_resolved: true
    color: red
inhibit_rules:
- source_matchers: [severity="critical"]
  target_matchers: [severity="warning"]
time_intervals:
- name: night
)";

TEST_CASE("alertmanager.yml becomes receivers and routes that alertd loads, without secrets") {
  const Converted converted = convert_alertmanager({"alertmanager.yml", kAlertmanager}, {});
  REQUIRE(converted.files.size() == 1);
  const std::string& text = converted.files[0].text;
  INFO(text);
  const auto lines = remarks(converted);
  for (const char* secret : {"s3cr3t", "verysecretword", "abcdef"}) {
    CHECK_FALSE(has(text, secret));
    CHECK_FALSE(any_has(lines, secret));
  }
  CHECK(has(text,
            "host = \"mail.example.org\"\nport = 587\ntls = \"starttls\"\nfrom = "
            "\"alerts@example.org\"\nuser = \"alerts\"\n"));
  CHECK(has(text, "password_file = \"/etc/tocsin/smtp.password\""));
  CHECK(has(text, "to = [\"ops@example.org\", \"two@example.org\"]\nsend_resolved = false\n"));
  CHECK(has(text, "title = \"{{ .Status }}\""));
  CHECK(has(text, "url = \"http://127.0.0.1:9000/hook\""));
  CHECK(has(text, "url_file = \"/etc/tocsin/pager-2.url\""));
  CHECK(has(text, "receiver = \"ops-mail\"  # default\n"));
  CHECK(has(text, "# wake somebody\n[[route.routes]]\n"));
  CHECK(has(text, R"(matchers = ['severity="critical"', 'team=~"db|web"'])"));
  CHECK(has(text, R"(matchers = ['severity="medium"'])"));
  CHECK(has(text, "group_wait = \"30s\""));
  CHECK(any_has(lines, "18: 'mute_time_intervals' is not carried over"));
  CHECK(any_has(lines, "27: 'pagerduty_configs' of receiver 'pager' is not carried over"));
  CHECK(any_has(lines, "an inhibit rule is not carried over"));
  CHECK(any_has(lines, "time interval 'night' is not carried over"));
  CHECK(any_has(lines, "'color' of receiver 'chat' is not carried over"));
  CHECK(any_has(lines, "mail header 'X-Team' is not carried over"));
}

TEST_CASE("comments are found outside quotes and blocks only, and none is lost") {
  constexpr std::string_view kText = R"(# top
a: "x # no" # one
b: 'it''s # no'   # two
c: |  # three
  text # no
  # no

  more
"d#e": plain # four
f: [1, # five
  2]
g: a#b
# six
)";
  base::Diagnostics diagnostics;
  const config::Source source{"a.yml", std::string(kText)};
  const config::Node root = config::parse_yaml(source, diagnostics);
  REQUIRE(diagnostics.empty());
  Comments comments(source.text, root);
  CHECK(comments.count() == 7);
  CHECK(comments.take(2).above == std::vector<std::string>{"# top"});
  CHECK(comments.take(2).empty());
  CHECK(comments.take(3).beside == std::vector<std::string>{"# two"});
  CHECK(comments.take(4).beside == std::vector<std::string>{"# three"});
  CHECK(comments.take_rest(0, 20) == std::vector<std::string>{"# four", "# five"});
  CHECK(comments.take(std::string::npos).above == std::vector<std::string>{"# six"});
}

TEST_CASE("every text survives as TOML") {
  for (const std::string_view text :
       {"",   "plain",  "it's",          "\"q\"",   "a\\b",     "two\nlines", "two\nlines\n",
        "'",  "''",     "'''",           "a'''b\n", "ends'\n'", "tab\there",  "bell\x07",
        "\n", "cr\r\n", "it's \\ here'", "\x7f",    "'lead \"", "a\n'"}) {
    const config::Source source{"t.toml", "k = " + toml_string(text) + "\n"};
    base::Diagnostics diagnostics;
    const config::Node root = config::parse_toml(source, diagnostics);
    INFO(source.text);
    CHECK(diagnostics.empty());
    REQUIRE(root.find("k"));
    CHECK(root.find("k")->text == text);
  }
}

}  // namespace
}  // namespace tocsin::cli::convert
