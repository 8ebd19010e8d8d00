// What counts as covered, rule by rule.
#include "cli/ruletest/coverage.h"

#include <doctest/doctest.h>

namespace tocsin::ruletest {
namespace {

using model::Severity;

ruler::Rule rule(const char* name, std::size_t line, ruler::RuleKind kind) {
  ruler::Rule made;
  made.name = name;
  made.kind = kind;
  made.place = {"r.toml", line, 1};
  return made;
}

struct Fixture {
  ruler::Rule recording = rule("rec", 1, ruler::RuleKind::Recording);
  ruler::Rule plain = rule("Plain", 2, ruler::RuleKind::Alerting);
  ruler::Rule levelled = rule("Levelled", 10, ruler::RuleKind::Alerting);
  std::vector<FileResult> results{1};

  Fixture() {
    levelled.levelled = true;
    levelled.levels.resize(2);
    levelled.levels[0].severity = Severity::Medium;
    levelled.levels[1].severity = Severity::Critical;
    results[0].cases.resize(2);
  }
  RuleTrace& trace(std::size_t test, const char* key) { return results[0].cases[test].traces[key]; }
  CoverageReport measure() const {
    return measure_coverage(
        {{"r.toml:1", &recording}, {"r.toml:2", &plain}, {"r.toml:10", &levelled}}, results);
  }
};

TEST_CASE("nothing seen") {
  const CoverageReport report = Fixture().measure();
  CHECK(report.items == 4);  // a recording rule, an alert, two severities
  CHECK(report.covered == 0);
  CHECK(report.percent() == 0);
  REQUIRE(report.rules.size() == 3);
  CHECK(report.rules[0].describe() == "never gave a sample");
  CHECK(report.rules[1].describe() == "never");
  CHECK(report.rules[2].name == "Levelled");  // by line, not by text
  CHECK(CoverageReport().percent() == 100);
}

TEST_CASE("fired counts if the same test asserts something about the alert") {
  Fixture fixture;
  fixture.trace(0, "r.toml:1").recorded = true;
  fixture.trace(0, "r.toml:2").fired = {Severity::Medium};
  fixture.trace(0, "elsewhere.toml:9").recorded = true;
  fixture.results[0].cases[1].asserted = {"Plain"};
  CoverageReport report = fixture.measure();
  CHECK(report.covered == 1);
  CHECK(report.rules[0].describe() == "recorded");
  CHECK(report.rules[1].describe() == "fired, but nothing is asserted about it");
  fixture.results[0].cases[0].asserted = {"Plain"};
  fixture.trace(0, "r.toml:2").resolved = true;
  report = fixture.measure();
  CHECK(report.covered == 2);
  CHECK(report.rules[1].describe() == "fired, resolved");
}

TEST_CASE("each severity by itself, over all tests") {
  Fixture fixture;
  fixture.results[0].cases[0].asserted = {"Levelled"};
  fixture.results[0].cases[1].asserted = {"Levelled"};
  fixture.trace(0, "r.toml:10").pending = true;
  CHECK(fixture.measure().rules[2].describe() == "pending only");
  fixture.trace(0, "r.toml:10").fired = {Severity::Medium};
  CoverageReport report = fixture.measure();
  CHECK(report.rules[2].describe() == "fired medium, not critical");
  CHECK(report.rules[2].covered == 1);
  CHECK(report.percent() == 25);
  fixture.trace(1, "r.toml:10").fired = {Severity::Critical};
  report = fixture.measure();
  CHECK(report.rules[2].describe() == "fired critical, medium");
  CHECK(report.covered == 2);
}

}  // namespace
}  // namespace tocsin::ruletest
