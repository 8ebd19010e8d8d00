// What the runner says beyond a verdict; verdicts themselves are held against promtool's by the
// cases of tests/runners/promtool.
#include "cli/ruletest/promtool_runner.h"

#include <doctest/doctest.h>

#include "common/base/sim_executor.h"
#include "common/config/source.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::ruletest {
namespace {

constexpr const char* kRules = R"(groups:
- name: g
  rules:
  - record: doubled
    expr: 2 * input
  - alert: High
    expr: input > 5
    for: 2m
    annotations: {summary: "{{ $value }}"}
)";

struct Fixture {
  sim::SimFileSystem files;
  base::SimClock clock;
  RunOptions options;

  Fixture() {
    CHECK(files.create_folders("/t"));
    files.set_content("/t/rules.yml", kRules);
  }
  FileResult run(const std::string& tests) {
    RuleCache rules(files, options.ignore_unknown_fields);
    return run_promtool_file({"/t/test.yml", "rule_files: [rules.yml]\n" + tests},
                             {files, clock, options, rules});
  }
};

std::string high(const char* values, const char* at, const char* rest) {
  return std::string("tests:\n- input_series: [{series: 'input{a=\"b\"}', values: '") + values +
         "'}]\n  alert_rule_test: [{alertname: High, eval_time: " + at + rest + "}]\n";
}

TEST_CASE("an alert that fires, and what the test saw of the rules") {
  Fixture fixture;
  const FileResult result = fixture.run(
      high("6x10", "2m", ", exp_alerts: [{exp_labels: {a: b}, exp_annotations: {summary: '6'}}]"));
  CHECK(result.passed());
  CHECK(result.diagnostics.empty());
  const CaseResult& one = result.cases.at(0);
  CHECK(one.name == "unnamed#0");
  CHECK(one.assertions == 1);
  CHECK(one.asserted == std::set<std::string>{"High"});
  CHECK(one.traces.at("/t/rules.yml:4").recorded);
  CHECK(one.traces.at("/t/rules.yml:6").pending);
  // Prometheus's rule has no severity label; Medium is then what it counts as.
  CHECK(one.traces.at("/t/rules.yml:6").fired ==
        std::set<model::Severity>{model::Severity::Medium});
  CHECK_FALSE(one.traces.at("/t/rules.yml:6").resolved);
}

TEST_CASE("an alert that only pends says so") {
  Fixture fixture;
  const FileResult result =
      fixture.run(high("1 6x10", "2m", ", exp_alerts: [{exp_labels: {a: b}}]"));
  CHECK_FALSE(result.passed());
  const Finding& finding = result.cases.at(0).failures.at(0);
  CHECK(finding.at.line == 4);
  CHECK(finding.message == "at 2m: the firing alerts High are not as expected");
  CHECK(finding.expected == std::vector<std::string>{"High{a=\"b\"}"});
  CHECK(finding.got.empty());
  CHECK(finding.details ==
        std::vector<std::string>{"pending since 1m: High{a=\"b\"} value=6", "none of them fires"});
}

TEST_CASE("an alert that nobody expects") {
  Fixture fixture;
  const FileResult result = fixture.run(high("6x10", "5m", ""));
  const Finding& finding = result.cases.at(0).failures.at(0);
  CHECK(finding.expected.empty());
  CHECK(finding.got == std::vector<std::string>{"High{a=\"b\"} summary=\"6\""});
}

TEST_CASE("an expression's result") {
  Fixture fixture;
  const FileResult result = fixture.run(R"(
tests:
- name: values
  input_series: [{series: input, values: 1+1x5}]
  promql_expr_test:
  - {expr: doubled, eval_time: 1m, exp_samples: [{labels: doubled, value: 4}]}
  - {expr: doubled, eval_time: 2m, exp_samples: [{labels: doubled, value: 5}]}
)");
  const CaseResult& one = result.cases.at(0);
  CHECK(one.assertions == 2);
  REQUIRE(one.failures.size() == 1);
  CHECK(one.failures[0].at.line == 8);
  CHECK(one.failures[0].expected == std::vector<std::string>{"doubled 5"});
  CHECK(one.failures[0].got == std::vector<std::string>{"doubled 6"});
}

TEST_CASE("warnings: input too short, an alert that no rule has, a pattern without files") {
  Fixture fixture;
  const auto warning = [&](const std::string& tests) {
    const FileResult result = fixture.run(tests);
    CHECK(result.passed());
    return config::render_all(result.diagnostics, result.sources);
  };
  // The last sample stands at 3m; the next would come at 4m.
  CHECK(warning(high("1x3", "3m59s", "")).empty());
  CHECK(warning(high("1x3", "4m", "")).find("eval_time 4m is after the input's end, 3m") !=
        std::string::npos);
  const std::string unknown = warning("tests: [{alert_rule_test: [{alertname: Hihg}]}]\n");
  CHECK(unknown.find("rule_files have no alert 'Hihg'") != std::string::npos);
  CHECK(unknown.find("did you mean 'High'?") != std::string::npos);
  RuleCache rules(fixture.files, false);
  const FileResult result =
      run_promtool_file({"/t/test.yml", "rule_files: ['none*']\ntests: [{}]\n"},
                        {fixture.files, fixture.clock, fixture.options, rules});
  CHECK(result.passed());
  CHECK(result.diagnostics.at(0).message == "no file matches 'none*'");
}

TEST_CASE("what native histograms touch is named, and no failure") {
  Fixture fixture;
  fixture.files.set_content("/t/rules.yml", R"(groups:
- name: g
  rules:
  - {record: rate1, expr: 'rate(histogram[5m])'}
  - {alert: Slow, expr: 'rate1 > 1'}
  - {alert: Other, expr: 'plain > 1'}
)");
  const FileResult result = fixture.run(R"(
tests:
- name: h
  input_series:
  - {series: histogram, values: '{{schema:0 sum:1 count:1}}x10'}
  - {series: plain, values: 2x10}
  alert_rule_test:
  - {alertname: Slow, eval_time: 5m, exp_alerts: [{}]}
  - {alertname: Other, eval_time: 5m, exp_alerts: [{}]}
  promql_expr_test:
  - {expr: histogram, eval_time: 1m, exp_samples: [{labels: histogram, histogram: '{{}}'}]}
  - {expr: 'sum(rate1)', eval_time: 1m, exp_samples: [{value: 1}]}
  - {expr: plain, eval_time: 1m, exp_samples: [{labels: plain, value: 2}]}
)");
  CHECK(result.passed());
  const CaseResult& one = result.cases.at(0);
  CHECK(one.assertions == 5);
  REQUIRE(one.unsupported.size() == 3);
  CHECK(one.unsupported[0].message == "alert Slow at 5m: native histograms are not supported");
  CHECK(one.unsupported[1].message ==
        "expression histogram at 1m: native histograms are not supported");
  CHECK(one.unsupported[2].at.line == 13);
}

TEST_CASE("rule files that cannot be used stop the file, with their own place") {
  Fixture fixture;
  fixture.files.set_content("/t/rules.yml",
                            "groups:\n- name: g\n  rules: [{record: a, expr: 'b +'}]\n");
  const FileResult result = fixture.run("tests: [{name: a}]\n");
  CHECK_FALSE(result.passed());
  CHECK(result.cases.empty());
  CHECK(config::render_all(result.diagnostics, result.sources).starts_with("/t/rules.yml:3:"));
}

TEST_CASE("a rule that fails ends its test, not the others") {
  Fixture fixture;
  const FileResult result = fixture.run(R"(
tests:
- input_series:
  - {series: input, values: 6x10}
  - {series: '{__name__="input"}', values: 6x10}
  promql_expr_test: [{expr: doubled, exp_samples: [{labels: doubled, value: 12}]}]
)");
  CHECK(result.passed());  // the same label set twice: the later one counts
  fixture.files.set_content("/t/rules.yml", R"(groups:
- name: g
  rules: [{record: same, expr: 'label_replace(input, "a", "", "", "")'}]
)");
  const FileResult failing = fixture.run(R"(
tests:
- name: bad
  input_series:
  - {series: 'input{a="1"}', values: 6x10}
  - {series: 'input{a="2"}', values: 6x10}
  promql_expr_test: [{expr: same, eval_time: 1m}]
- name: good
  promql_expr_test: [{expr: vector(1), exp_samples: [{labels: '{}', value: 1}]}]
)");
  REQUIRE(failing.cases.size() == 2);
  REQUIRE(failing.cases[0].failures.size() == 1);
  CHECK(failing.cases[0].failures[0].message.starts_with(
      "at 0s: the rule same (/t/rules.yml:3) fails: "));
  CHECK(failing.cases[1].passed());
}

}  // namespace
}  // namespace tocsin::ruletest
