// Tests of rules alone: what passes, what fails, and what a failure says.
#include <doctest/doctest.h>

#include "cli/ruletest/play_fixture.h"

namespace tocsin::ruletest {
namespace {

const std::string kRules = R"toml(
[[group]]
name = "test"
interval = "15s"
[[group.alert]]
name = "Full"
value = "used_percent"
medium = { above = 80, for = "1m" }
high = { above = 90, for = "30s" }
clear = { below = 70 }
summary = '{{ $labels.disk }} is {{ printf "%.0f" $value }} % full'
description = "Make room."
[[group.alert]]
name = "Down"
expr = "up == 0"
severity = "critical"
for = "30s"
no_data = "keep"
summary = "{{ $labels.job }} is down"
[[group.record]]
name = "used:max"
expr = "max(used_percent)"
)toml";

/// 85 for 2 m, 95 for 3 m, 75 for 3 m, then 50.
const std::string kInput = R"toml(
rules = ["rules.toml"]
input = '''
used_percent{disk="a"}: 85 for 2m, 95 for 3m, 75 for 3m, 50
used_percent{disk="b"}: 10
up{job="x"}: 1
'''
)toml";

}  // namespace

TEST_CASE("a test of rules: alerts, timelines, never, queries") {
  PlayFixture play(kRules);
  const FileResult& result = play.run(kInput + R"toml(
[[test]]
name = "levels"
end = "10m"
never_fires = ["Down", 'Full{disk="b", ...}']
alerts = [
  { at = "30s", pending = 'Full{disk="a"}' },
  { at = "1m", firing = 'Full{disk="a"}', severity = "medium", value = 85, count = 1 },
  { at = "2m45s", firing = 'Full{disk="a"}', severity = "high", summary = "a is 95 % full" },
  { at = "3m", firing = 'Full', annotations_include = { description = { contains = "room" } } },
  { at = "3m", firing = 'Full{...}', summary = { matches = "^a is \\d+" } },
  { at = "4m", firing='Full', annotations={summary="a is 95 % full", description="Make room."} },
  { at = "9m", resolved = 'Full{disk="a"}' },
  { at = "9m", none = "Full" },
]
timelines = [
  { alert = 'Full{disk="a"}', states = [
    "0s pending", "1m firing medium", "2m30s firing high", "5m firing medium", "8m resolved" ] },
  { alert = 'Full{disk="b"}', states = [] },
]
queries = [
  { at = "3m", expr = "used:max", value = 95 },
  { at = "3m", expr = "up", result = ['up{job="x"} 1'] },
  { at = "3m", expr = "up == 0", result = [] },
]
)toml");
  CHECK(play.report() == "");
  REQUIRE(result.cases.size() == 1);
  CHECK(result.cases[0].passed());
  CHECK(result.cases[0].assertions == 8 + 2 + 2 + 3);
  CHECK(result.cases[0].asserted.contains("Full"));
}

TEST_CASE("a test of rules: failures say what was expected, what was there, and the values") {
  PlayFixture play(kRules);
  play.run(kInput + R"toml(
[[test]]
name = "wrong"
never_fires = "Full"
alerts = [
  { at = "1m", firing = 'Full{disk="a"}', severity = "high" },
  { at = "3m", none = "Full" },
  { at = "3m", firing = 'Full{disk="a"}', summary = "a is 96 % full" },
  { at = "4m", firing = 'Down' },
]
timelines = [ { alert = 'Full{disk="a"}', states = ["1m firing medium", "3m firing high"] } ]
queries = [ { at = "3m", expr = "used:max", value = 94 } ]
)toml");
  INFO(play.report());
  CHECK(play.result.cases.at(0).failures.size() == 7);
  CHECK(
      play.reports("at 1m: no such alert is firing\n"
                   "  - firing Full{disk=\"a\"} severity=high\n"
                   "  + firing Full{disk=\"a\"} severity=medium value=85\n"));
  CHECK(play.reports("  |   used_percent{disk=\"a\"} 85"));
  CHECK(play.reports("summary=\"a is 95 % full\""));
  CHECK(play.reports("  - 3m firing high\n  + 1m firing medium\n  + 2m30s firing high\n"));
  CHECK(play.reports("Full fires at 1m, never expected"));
  CHECK(play.reports("at 3m: the result of used:max is another one"));
}

TEST_CASE("a test of rules: an alert more than expected is a failure") {
  PlayFixture play(kRules);
  play.run(R"toml(
rules = ["rules.toml"]
[[test]]
name = "two disks"
input = '''
used_percent{disk="a"}: 85
used_percent{disk="b"}: 99
'''
alerts = [ { at = "2m", firing = 'Full{disk="a"}' } ]
)toml");
  CHECK(
      play.reports("at 2m: one more alert than expected\n"
                   "  + firing Full{disk=\"b\"} severity=high value=99"));
}

TEST_CASE("a test of rules: names that no rule has are refused") {
  PlayFixture play(kRules);
  play.run(kInput + R"toml(
[[test]]
name = "typo"
never_fires = ["Fulll"]
alerts = [ { at = "1m", none = 'Dwon' } ]
)toml");
  INFO(play.report());
  CHECK(play.reports("no rule is named Fulll"));
  CHECK(play.reports("did you mean Full?"));
  CHECK(play.reports("no rule is named Dwon"));
  CHECK(play.result.cases.at(0).failures.size() == 2);
}

TEST_CASE("a test of rules: restart and gap") {
  PlayFixture play(kRules);
  play.run(R"toml(
rules = ["rules.toml"]
input = 'up{job="x"}: 1 for 1m, 0'
[[test]]
name = "a restart keeps what fires"
events = [ { at = "3m", restart = "2m" } ]
alerts = [
  { at = "2m", firing = 'Down{job="x"}' },
  { at = "6m", firing = 'Down{job="x"}', severity = "critical" },
]
timelines = [ { alert = 'Down{job="x"}', states = ["1m30s firing"] } ]

[[test]]
name = "nothing is known during a gap"
events = [ { at = "2m", gap = "10m" } ]
alerts = [ { at = "10m", firing = 'Down{job="x"}' } ]
queries = [
  { at = "8m", expr = 'up', result = [] },
  { at = "12m", expr = 'up', value = 0 },
]
)toml");
  CHECK(play.report() == "");
  CHECK(play.result.cases.size() == 2);
}

TEST_CASE("a test of rules: local time, external labels, rules that fail") {
  PlayFixture play(R"toml(
[[group]]
name = "g"
[[group.alert]]
name = "Night"
expr = "vector(1) and on() hour() < 6"
severity = "low"
summary = "{{ $externalLabels.site }}"
[[group.record]]
name = "twice"
expr = 'label_replace(up, "job", "one", "", "")'
)toml");
  play.run(R"toml(
rules = ["rules.toml"]
time_zone = "Europe/Berlin"
start = "2026-07-01T06:59"
external_labels = { site = "north" }
input = '''
up{job="a"}: 1
up{job="b"}: 1
'''
[[test]]
name = "night ends at eight in Berlin"
end = "08:01"
alerts = [
  { at = "07:30", firing = 'Night', summary = "north" },
  { at = "08:00", none = 'Night' },
]
errors = [ { rule = "twice", contains = "same labelset" } ]
)toml");
  CHECK(play.report() == "");
  CHECK(play.result.cases.size() == 1);
}

TEST_CASE("a test file: mistakes are shown where they are") {
  PlayFixture play(kRules);
  const FileResult& result = play.run(R"toml(
rules = ["rules.toml", "none.toml"]
inputs = "x"
[[test]]
name = "a"
input = '''
up{job="x"} 1
up{job="y} 1
'''
alerts = [
  { at = "1m", fireing = 'Full' },
  { at = "soon", firing = 'Full{disk=a}', severity = "urgent" },
  { at = "1m", firing = 'Full', pending = 'Full' },
]
timelines = [ { alert = "Full", states = ["1m firing loud"] } ]
queries = [ { at = "1m", expr = "sum(", value = 1 } ]
events = [ { at = "1m", restrat = "5m" } ]
)toml");
  const std::string report = play.report();
  INFO(report);
  CHECK(result.cases.empty());
  CHECK(!result.passed());
  CHECK(play.reports("'/t/none.toml' does not exist"));
  CHECK(play.reports("did you mean 'input'?"));
  CHECK(play.reports("did you mean 'firing'?"));
  CHECK(play.reports("/t/a.test:8:"));
  CHECK(play.reports("/t/a.test:12:"));
  CHECK(play.reports("'soon' is not a time"));
  CHECK(play.reports("urgent"));
  CHECK(play.reports("give exactly one of firing, pending, resolved, none"));
  CHECK(play.reports("'1m firing loud' is not a state at a time"));
  CHECK(play.reports("did you mean 'restart'?"));
  CHECK(play.reports("^"));
}

TEST_CASE("a test file: warns of input that is too short and of tests that assert nothing") {
  PlayFixture play(kRules);
  const FileResult& result = play.run(R"toml(
rules = ["rules.toml"]
[[test]]
name = "short"
input = 'up{job="x"}: 1 for 5m'
alerts = [ { at = "20m", none = 'Down' } ]
[[test]]
name = "idle"
)toml");
  CHECK(result.passed());
  CHECK(play.reports("this looks at 20m, but the input ends at 5m"));
  CHECK(play.reports("test 'idle' asserts nothing"));
}

TEST_CASE("a test file: rule files with errors stop it") {
  PlayFixture play("[[group]]\nname = 'g'\n[[group.alert]]\nname = 'A'\nexpr = 'sum('\n");
  const FileResult& result = play.run(
      "rules = ['rules.toml']\n[[test]]\nname = 'x'\nalerts = [ { at = '1m', none = 'A' } ]\n");
  CHECK(!result.passed());
  CHECK(play.reports("/t/rules.toml:5:"));
}

}  // namespace tocsin::ruletest
