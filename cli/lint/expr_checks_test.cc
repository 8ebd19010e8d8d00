// Each check of expressions: a case where it speaks, and one where it must be silent.
#include "cli/lint/lint_test_support.h"

namespace tocsin::lint {
namespace {

using test::check_expr;

/// The expression gives exactly this finding (others are listed by the message).
void expect(const std::string& expr, const std::string& id, bool inventory = false) {
  const test::Outcome outcome = check_expr(expr, inventory);
  CHECK_MESSAGE(outcome.ids() == std::vector<std::string>{id}, expr << "\n" << outcome.text());
}

void expect_clean(const std::string& expr, bool inventory = false) {
  const test::Outcome outcome = check_expr(expr, inventory);
  CHECK_MESSAGE(outcome.ids().empty(), expr << "\n" << outcome.text());
}

std::string message(const std::string& expr, const std::string& id, bool inventory = false) {
  const test::Outcome outcome = check_expr(expr, inventory);
  const Finding* finding = outcome.find(id);
  REQUIRE_MESSAGE(finding != nullptr, expr << "\n" << outcome.text());
  return finding->message + " | " + finding->hint;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("metrics that nobody produces") {
  expect("node_laod1 > 4", "metric-unknown", true);
  CHECK(has(message("node_laod1 > 4", "metric-unknown", true), "did you mean 'node_load1'?"));
  expect_clean("node_laod1 > 4");  // without an inventory nothing is known
  expect_clean("node_load1 > 4", true);
  expect_clean("up == 0 or ALERTS{alertstate=\"firing\"} == 1 or tocsin_agent_x > 1", true);
  // Milder where the rule still works.
  CHECK(check_expr("absent(gone)", true).find("metric-unknown")->level == Level::Warning);
  CHECK(check_expr("node_load1 > 4 unless gone", true).find("metric-unknown")->level ==
        Level::Warning);
  CHECK(check_expr("node_load1 > 4 or gone > 4", true).find("metric-unknown")->level ==
        Level::Info);
  CHECK(check_expr("gone > 4 or other > 4", true).find("metric-unknown")->level == Level::Error);
  expect("{__name__=~\"nothing_.*\"} > 1", "metric-unknown", true);
  expect_clean("{__name__=~\"node_l.*\"} > 1", true);
}

TEST_CASE("recorded metrics are known, with the labels that their rule leaves") {
  test::World world;
  world.write(
      "/r/a.yml",
      "groups:\n- name: g\n  rules:\n"
      "  - record: load:avg\n    expr: avg by (host) (node_load1)\n"
      "    labels: {kind: x}\n"
      "  - alert: A\n    expr: load:avg{kind=\"x\", instance=\"a\"} > 1\n"
      "    labels: {severity: high}\n    annotations: {summary: s, runbook_url: 'http://x'}\n");
  const test::Outcome outcome = world.check({"/r/a.yml"}, {}, test::kInventory);
  REQUIRE_MESSAGE(outcome.ids() == std::vector<std::string>{"label-unknown"}, outcome.text());
  CHECK(has(outcome.result.findings[0].message, "'load:avg' has no label 'instance'"));
  CHECK(outcome.result.findings[0].line == 8);
  CHECK(outcome.result.findings[0].column == 30);  // at the matcher, not at the metric
}

TEST_CASE("labels that a metric does not have") {
  expect("node_load1{mountpoint=\"/\"} > 1", "label-unknown", true);
  CHECK(has(message("node_load1{hots=\"a\"} > 1", "label-unknown", true), "did you mean 'host'?"));
  CHECK(check_expr("node_load1{zone!=\"a\"} > 1", true).find("label-unknown")->level ==
        Level::Warning);
  expect_clean("node_load1{zone=\"\"} > 1", true);
  expect_clean("node_load1{host=\"a\"} > 1", true);
  expect("sum by (pod) (node_load1) > 1", "label-unknown", true);
  expect_clean("sum by (host) (node_load1) > 1", true);
  // Also without an inventory: taken away below.
  expect("sum by (pod) (sum by (host) (x)) > 1", "label-unknown");
}

TEST_CASE("values that no series has, if all are known") {
  expect("node_cpu_seconds_total{mode=\"idel\"} > 1", "value-unseen", true);
  CHECK(has(message("node_cpu_seconds_total{mode=\"idel\"} > 1", "value-unseen", true),
            "did you mean \"idle\"?"));
  CHECK(has(message("node_cpu_seconds_total{mode=~\"dl|x\"} > 1", "value-unseen", true),
            "seen: idle, user"));
  expect_clean("node_cpu_seconds_total{cpu=\"77\"} > 1", true);  // not all values are known
  expect_clean("node_cpu_seconds_total{mode!=\"iowait\"} > 1", true);
}

TEST_CASE("matchers and patterns") {
  expect("x{a=\"1\", a=\"2\"} > 1", "matcher-contradiction");
  expect("x{a=\"1\", a=~\"2|3\"} > 1", "matcher-contradiction");
  expect("x{a!~\".*\"} > 1", "matcher-contradiction");
  expect_clean("x{a=\"1\", a!=\"2\"} > 1");
  expect("x{a=~\"plain\"} > 1", "regex-plain");
  expect("x{a=~\"^db.*\"} > 1", "regex-plain");
  expect("x{a=~\".*\"} > 1", "regex-plain");
  expect_clean("x{a=~\"a|b\", c!~\"tmp.+\"} > 1");
}

TEST_CASE("counters and gauges") {
  expect("increase(node_load1[5m]) > 1", "gauge-under-counter-function", true);
  CHECK(check_expr("increase(node_load1[5m]) > 1", true).result.findings[0].level == Level::Error);
  expect("rate(disk_free_bytes[5m]) > 1", "gauge-under-counter-function");
  CHECK(check_expr("rate(disk_free_bytes[5m]) > 1").result.findings[0].level == Level::Warning);
  expect_clean("rate(node_cpu_seconds_total[5m]) > 1", true);
  expect_clean("increase(node_vmstat_oom_kill[5m]) > 1");  // untyped
  expect("delta(node_cpu_seconds_total[5m]) > 1", "counter-under-gauge-function", true);
  expect("deriv(jobs_total[5m]) > 1", "counter-under-gauge-function");
  expect_clean("delta(node_load1[5m]) > 1", true);
  expect("rate(sum(jobs_total)[5m:15s]) > 1", "rate-of-aggregate");
  expect_clean("max_over_time(sum(jobs)[5m:15s]) > 1");
}

TEST_CASE("ranges hold two samples") {
  expect("rate(jobs_total[20s]) > 1", "range-short");  // 20 s < 2 x 15 s
  CHECK(has(message("rate(jobs_total[20s]) > 1", "range-short"), "[1m]"));
  expect_clean("rate(jobs_total[30s]) > 1");
  test::World world;
  world.write("/r/a.yml", test::yaml_alert("rate(jobs_total[1m]) > 1"));
  LintOptions options;
  options.scrape_interval = std::chrono::minutes(1);
  CHECK(world.check({"/r/a.yml"}, options).has("range-short"));
  // Every five minutes one minute: four of five errors are never counted.
  std::string text = test::yaml_alert("increase(jobs_total[1m]) > 1");
  text.replace(text.find("name: g"), 7, "name: g\n  interval: 5m");
  world.write("/r/a.yml", text);
  CHECK(has(world.check({"/r/a.yml"}).text(), "what happens in between is never seen"));
  text.replace(text.find("[1m]"), 4, "[5m]");
  world.write("/r/a.yml", text);
  CHECK(world.check({"/r/a.yml"}).ids().empty());
}

TEST_CASE("quantiles need le") {
  expect("histogram_quantile(0.9, sum by (path) (rate(h_bucket[5m]))) > 1", "histogram-le");
  expect_clean("histogram_quantile(0.9, sum by (path, le) (rate(h_bucket[5m]))) > 1");
  expect_clean("histogram_quantile(0.9, sum by (path) (rate(native_seconds[5m]))) > 1");
}

TEST_CASE("joins that never match") {
  expect("sum by (host) (x) / sum by (path) (y) > 1", "join-never");
  CHECK(check_expr("sum by (host) (x) / sum by (path) (y) > 1").result.findings[0].level ==
        Level::Error);
  expect("sum(x) > y{job=\"a\"}", "join-never");
  expect("sum by (host) (x) / on (pod) y{pod!=\"\"} > 1", "join-never");
  expect("node_load1 / on (mode) node_cpu_seconds_total > 1", "join-never", true);
  CHECK(has(message("sum by (host, mode) (x) / sum by (host) (y) > 1", "join-never"),
            "/ on (host) group_left ()"));
  expect("x{job=\"a\"} > 1 unless sum by (pod) (y)", "join-never");
  expect_clean("sum by (host) (x) / sum by (host) (y) > 1");
  expect_clean("sum by (host, mode) (x) / on (host) group_left () sum by (host) (y) > 1");
  expect_clean("sum by (host, mode) (x) / ignoring (mode) group_left () sum by (host) (y) > 1");
  expect_clean("x / on (pod) y > 1");
  expect_clean("x > sum(y)");  // whether x has labels is not known
  expect_clean("x{job=\"a\"} > on () group_left () sum(y)");
  expect_clean("x{job=\"a\"} > scalar(sum(y))");
  expect_clean("(sum by (host) (x) or sum by (path) (y)) > 1");
}

TEST_CASE("label_replace makes a join possible") {
  expect_clean(
      "label_replace(sum by (host) (x), \"instance\", \"$1\", \"host\", \"(.+)\") * on (instance) "
      "sum by (instance) (y) > 1");
  expect("sum by (host) (x) * on (instance) sum by (instance) (y) > 1", "join-never");
}

TEST_CASE("joins that find too many") {
  expect("sum by (host, mode) (x) / on (host) sum by (host) (y) > 1", "join-many");
  expect_clean("sum by (host, mode) (x) and on (host) sum by (host) (y) > 1");
  expect_clean("sum by (ns, pod) (x) / on (pod) sum by (ns, pod) (y) > 1");
  expect("x * on (host) group_left (owner) sum by (host) (y) > 1", "group-labels");
  expect_clean("x * on (host) group_left (owner) sum by (host, owner) (y) > 1");
}

TEST_CASE("expressions divided by themselves") {
  expect("rate(x_total[5m]) / (rate( x_total[5m])) > 1", "division-by-itself");
  expect("x{a=\"1\"} - x{a='1'} > 0", "division-by-itself");
  expect_clean("x / x offset 1h > 1");
  expect_clean("x{a=\"1\"} / x{a=\"2\"} > 1");
  expect_clean("(x - x offset 5m) / x > 1");
}

TEST_CASE("comparisons that are settled") {
  for (const char* never : {"count(x) < 0", "count(x) == 0", "up > 1", "absent(x) == 0",
                            "count_over_time(x[5m]) < 1", "(x > 5) < 3", "hour() > 23",
                            "clamp_max(x, 1) > 1", "rate(x_total[5m]) < 0", "(x > bool 1) == 2"}) {
    expect(never, "comparison-never");
  }
  CHECK(has(message("count(x) == 0", "comparison-never"), "absent()"));
  for (const char* always : {"count(x) > 0", "jobs_total >= 0", "x > -1 and rate(y_total[5m]) >= 0",
                             "clamp(x, 0, 1) <= 1"}) {
    expect(always, "comparison-always");
  }
  for (const char* open :
       {"up == 0", "up < 1", "count(x) < 3", "count(up == 0) > 0", "absent(x) == 1",
        "absent(x) > 0", "sum(x) == 0", "x / y > 1", "(count(x) or vector(0)) == 0",
        "(x > bool 1) == 1", "x > 5 < 9", "rate(x_total[5m]) / rate(y_total[5m]) >= 0",
        "hour() >= 8 < 18", "day_of_week() == 0", "stddev(x) > 0", "time() - x > 60"}) {
    expect_clean(open);
  }
}

TEST_CASE("alerts that always fire") {
  expect("x > bool 5", "alert-always");
  expect("(x > bool 5) and (y > bool 6)", "alert-always");
  expect("x", "alert-without-condition");
  expect("rate(x_total[5m])", "alert-without-condition");
  expect_clean("vector(1)");  // the heartbeat of the whole chain
  expect_clean("app_info{version=\"1\"}");
  expect_clean("ALERTS{alertstate=\"firing\"}");
  expect_clean("absent(x)");
  expect_clean("x unless y");
}

TEST_CASE("templates show labels that the result has") {
  const auto templated = [](const char* expr, const char* text, bool inventory = false) {
    return check_expr(expr, inventory, text);
  };
  const test::Outcome dropped = templated("sum by (host) (x) > 1", "on {{ $labels.instance }}");
  REQUIRE_MESSAGE(dropped.ids() == std::vector<std::string>{"template-label"}, dropped.text());
  CHECK(has(dropped.text(), "dropped by sum by (host)"));
  CHECK(dropped.result.findings[0].line == 9);
  CHECK(dropped.result.findings[0].column == 23);  // of $labels inside the quoted text
  CHECK(templated("sum(x) > 1", "{{ .Labels.host }}").has("template-label"));
  CHECK(templated("sum(x) > 1", "{{ index $labels \"host\" }}").has("template-label"));
  CHECK(templated("absent(x{a=\"1\"})", "{{ $labels.b }}").has("template-label"));
  CHECK(templated("node_load1 > 1", "{{ $labels.mountpoint }}", true).has("template-label"));
  const test::Outcome own = templated("sum by (host) (x) > 1", "{{ $labels.severity }}");
  CHECK(has(own.text(), "is a label of the rule"));
  for (const auto& [expr, text] :
       {std::pair{"sum by (host) (x) > 1", "{{ $labels.host }} {{ $value }}"},
        std::pair{"x > 1", "{{ $labels.anything }}"},
        std::pair{"absent(x{a=\"1\"})", "{{ $labels.a }}"},
        std::pair{"sum(x) > 1", "{{ range query \"up\" }}{{ .Labels.host }}{{ end }}"}}) {
    const test::Outcome outcome = templated(expr, text);
    CHECK_MESSAGE(outcome.ids().empty(), outcome.text());
  }
  CHECK(templated("node_load1 > 1", "{{ query \"gone\" | len }}", true).has("metric-unknown"));
  CHECK(templated("node_load1 > 1", "{{ query \"sum(\" | len }}").has("template-error"));
}

TEST_CASE("one value of many instances") {
  expect("avg(node_load1) > 1", "aggregation-mixes", true);
  expect_clean("avg by (host) (node_load1) > 1", true);
  expect_clean("avg(node_load1) > 1");
}

}  // namespace
}  // namespace tocsin::lint
