// Reading Prometheus's unit-test files: values, defaults, mistakes, patterns of file names.
#include "cli/ruletest/promtool_file.h"

#include <doctest/doctest.h>

#include <cmath>

#include "common/sim/sim_file_system.h"

namespace tocsin::ruletest {
namespace {

struct Reading {
  base::Diagnostics diagnostics;
  PromtoolFile file;

  explicit Reading(const std::string& text, bool ignore_unknown = false) {
    const sim::SimFileSystem files;
    file = read_promtool_file({"/t/a.yml", text}, files, ignore_unknown, diagnostics);
  }
  std::string messages() const {
    std::string all;
    for (const base::Diagnostic& one : diagnostics) {
      all += base::render(one, file.source.text) + "\n";
    }
    return all;
  }
  bool says(std::string_view part) const { return messages().find(part) != std::string::npos; }
};

constexpr const char* kFile = R"(
rule_files: [a.yml, 'b*.yml']
evaluation_interval: 30s
fuzzy_compare: true
group_eval_order: [two, one]
tests:
- name: first
  interval: 15s
  start_timestamp: 2024-03-01T12:00:00Z
  external_labels: {site: north}
  external_url: http://x
  input_series:
  - {series: 'up{job="a"}', values: '1 0'}
  alert_rule_test:
  - eval_time: 2m
    alertname: Down
    exp_alerts:
    - exp_labels: {job: a}
      exp_annotations: {summary: it is down}
  promql_expr_test:
  - expr: up
    eval_time: 3m
    exp_samples:
    - {labels: 'up{job="a"}', value: .inf}
    - {value: -Inf}
    - {value: 1_000}
    - {histogram: '{{schema:0}}'}
- {}
)";

TEST_CASE("everything a file can say") {
  const Reading read(kFile);
  REQUIRE_MESSAGE(read.diagnostics.empty(), read.messages());
  const PromtoolFile& file = read.file;
  REQUIRE(file.rule_files.size() == 2);
  CHECK(file.rule_files[1].second == "b*.yml");
  CHECK(file.evaluation_interval == std::chrono::seconds(30));
  CHECK(file.fuzzy_compare);
  CHECK(file.group_eval_order == std::vector<std::string>{"two", "one"});
  REQUIRE(file.groups.size() == 2);
  const PromtoolGroup& group = file.groups[0];
  CHECK(group.name == "first");
  CHECK(group.interval == std::chrono::seconds(15));
  CHECK(base::to_ms(group.start) == 1'709'294'400'000);  // date -u -d 2024-03-01T12:00:00Z +%s
  CHECK(group.external_labels.get("site") == "north");
  CHECK(group.external_url == "http://x");
  CHECK(group.input.at(0).values == "1 0");
  CHECK(group.last_time() == std::chrono::minutes(3));
  const PromtoolAlertCase& alert = group.alerts.at(0);
  CHECK(alert.place.line == 15);
  CHECK(alert.expected.at(0).labels.get("alertname") == "Down");
  CHECK(alert.expected.at(0).labels.get("job") == "a");
  CHECK(alert.expected.at(0).annotations.get("summary") == "it is down");
  const auto& samples = group.exprs.at(0).expected;
  REQUIRE(samples.size() == 4);
  CHECK(samples[0].value == HUGE_VAL);
  CHECK(samples[1].value == -HUGE_VAL);
  CHECK(samples[2].value == 1000);
  CHECK(samples[3].histogram);
  CHECK_FALSE(samples[2].histogram);
  // Defaults.
  CHECK(file.groups[1].name == "unnamed#1");
  CHECK(file.groups[1].interval == std::chrono::seconds(30));
  CHECK(base::to_ms(file.groups[1].start) == 0);
}

TEST_CASE("a start is a time or Unix seconds") {
  const auto start = [](const std::string& text) {
    const Reading read("tests: [{start_timestamp: " + text + "}]\n");
    return read.diagnostics.empty() ? base::to_ms(read.file.groups.at(0).start) : -1;
  };
  CHECK(start("1000") == 1'000'000);
  CHECK(start("0.5") == 500);
  CHECK(start("1970-01-01T01:00:00+01:00") == 0);
  CHECK(start("yesterday") == -1);
  CHECK(start("1e300") == -1);
}

TEST_CASE("mistakes are shown where they are") {
  CHECK(Reading("tset: []\n").says("a.yml:1:1: error: unknown key 'tset'"));
  CHECK(Reading("tset: []\n").says("did you mean 'tests'?"));
  const Reading ignored("tset: []\n", true);
  CHECK_FALSE(base::has_errors(ignored.diagnostics));
  CHECK(Reading("rule_files: a.yml\n").says("expected a list of file names"));
  CHECK(Reading("group_eval_order: [a, b, a]\n").says("group 'a' is named twice"));
  CHECK(Reading("tests: [{interval: soon}]\n").says("a.yml:1:20: error:"));
  CHECK(Reading("tests: [{promql_expr_test: [{exp_samples: [{value: one}]}]}]\n")
            .says("expected a number, got 'one'"));
  CHECK(Reading("tests: [\n").says("error:"));
}

TEST_CASE("patterns name files beside the test") {
  sim::SimFileSystem files;
  for (const char* folder : {"/t", "/t/sub", "/t/other", "/u"}) {
    REQUIRE(files.create_folders(folder));
  }
  for (const char* path :
       {"/t/b.yml", "/t/a.yml", "/t/c.toml", "/t/sub/a.yml", "/t/other/b.yml", "/u/a.yml"}) {
    files.set_content(path, "");
  }
  const auto expand = [&](const char* pattern) {
    return expand_pattern(pattern, "/t/test.yml", files);
  };
  using Paths = std::vector<std::string>;
  CHECK(expand("*.yml") == Paths{"/t/a.yml", "/t/b.yml"});
  CHECK(expand("?.y*l") == Paths{"/t/a.yml", "/t/b.yml"});
  CHECK(expand("[ab].yml") == Paths{"/t/a.yml", "/t/b.yml"});
  CHECK(expand("*/*.yml") == Paths{"/t/other/b.yml", "/t/sub/a.yml"});
  CHECK(expand("sub/a.yml") == Paths{"/t/sub/a.yml"});
  CHECK(expand("/u/*") == Paths{"/u/a.yml"});
  CHECK(expand("none.yml").empty());
  CHECK(expand("none/*").empty());
}

}  // namespace
}  // namespace tocsin::ruletest
