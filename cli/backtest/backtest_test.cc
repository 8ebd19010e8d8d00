#include "cli/backtest/backtest.h"

#include <doctest/doctest.h>

#include "alertd/ruler/rule_loader.h"
#include "cli/backtest/diff.h"
#include "cli/backtest/local_api.h"
#include "cli/backtest/pages.h"
#include "cli/backtest/plan.h"
#include "cli/backtest/rules_in_force.h"
#include "common/config/source.h"

namespace tocsin::backtest {
namespace {

using base::WallTime;
using Groups = std::vector<ruler::RuleGroup>;

Groups rules(const std::string& text, const std::string& file = "test.toml") {
  base::Diagnostics diagnostics;
  const auto files = base::make_real_file_system();
  Groups groups = ruler::read_rule_file(config::Source{file, text}, {}, *files, diagnostics);
  REQUIRE_MESSAGE(!base::has_errors(diagnostics), diagnostics.front().message);
  return groups;
}

struct Fixture {
  LocalApi api;
  QueryApi queries{api};
  Settings settings;

  Fixture() { settings.to = base::wall_time(3'600'000); }

  std::vector<SetResult> run(const std::vector<Groups>& sets) {
    const auto history = make_remote_history(queries, "test");
    auto results = run_backtest(sets, *history, settings, {});
    REQUIRE_MESSAGE(results, results.error().message);
    return std::move(*results);
  }
  std::vector<Firing> firings(const Groups& groups) {
    std::vector<Firing> all;
    for (const SetResult& set : run({groups})) {
      for (const RuleResult& rule : set.rules) {
        all.insert(all.end(), rule.firings.begin(), rule.firings.end());
      }
    }
    return all;
  }
};

/// The slots of a group of this name and interval begin so many milliseconds after the minute.
WallTime slot(const Groups& groups, std::int64_t index) {
  return slots_of(groups.front(), base::wall_time(0), base::wall_time(3'600'000))
      .at(static_cast<std::size_t>(index));
}

constexpr const char* kPlain = R"(
[[group]]
name = "g"
interval = "1m"
[[group.alert]]
name = "Up"
expr = "x > 5"
severity = "high"
for = "2m"
no_data = "ok"
summary = "{{ $labels.host }} at {{ $value }}"
)";

TEST_CASE("a plain alert: for, end, what it said") {
  Fixture f;
  // One sample a minute at 0, 1, ... minutes. Slots lie between: slot k sees sample k (or, if the
  // phase is 0, sits on it), so x > 5 holds at slots 10..29.
  REQUIRE(f.api.source.load("1m", "x{host=\"a\"} 1x9 7x19 1x40"));
  const Groups groups = rules(kPlain);
  const auto firings = f.firings(groups);
  REQUIRE(firings.size() == 1);
  CHECK(firings[0].labels.to_string() == R"({alertname="Up", host="a", severity="high"})");
  CHECK(firings[0].begin == slot(groups, 12));  // true since slot 10, `for` is two minutes
  CHECK(firings[0].end == slot(groups, 30));
  CHECK(firings[0].summary == "a at 7");
  CHECK(firings[0].worst() == model::Severity::High);
}

constexpr const char* kLevels = R"(
[[group]]
name = "g"
interval = "1m"
[[group.alert]]
name = "Full"
value = "used"
medium = { above = 80 }
critical = { above = 95, for = "1m" }
clear = { below = 70 }
no_data = "keep"
)";

TEST_CASE("levels: severities over time, clearing bound, quiet elements left out") {
  Fixture f;
  REQUIRE(f.api.source.load("1m",
                            "used{disk=\"a\"} 10x9 85x9 97x9 75x9 60x30\n"
                            "used{disk=\"b\"} 10x69\n"));
  const Groups groups = rules(kLevels);
  const auto firings = f.firings(groups);
  REQUIRE(firings.size() == 1);
  // Medium from slot 10; critical holds from slot 20 and is entered a minute later; down at 30 to
  // medium (75 is under 80, but not under 70, so it goes on at its lowest level); clear at 40.
  CHECK(firings[0].begin == slot(groups, 10));
  const std::vector<SeverityStep> steps{{slot(groups, 10), model::Severity::Medium},
                                        {slot(groups, 21), model::Severity::Critical},
                                        {slot(groups, 30), model::Severity::Medium}};
  CHECK(firings[0].severities == steps);
  CHECK(firings[0].end == slot(groups, 40));
}

TEST_CASE("portions: a server that gives little at once gives the same") {
  Fixture f;
  REQUIRE(f.api.source.load("1m", "x{host=\"a\"} 1x9 7x19 1x40"));
  const Groups groups = rules(kPlain);
  const auto whole = f.firings(groups);
  f.api.points_max = 7;
  f.api.asked.clear();
  const auto parts = f.firings(groups);
  REQUIRE(parts.size() == 1);
  CHECK(parts[0].begin == whole[0].begin);
  CHECK(parts[0].end == whole[0].end);
  CHECK(f.api.asked.size() > 8);  // 61 slots in portions of at most 7
}

TEST_CASE("a query that fails at some slots fails there only") {
  Fixture f;
  // From minute 20 to 29 two series on the right match one on the left.
  REQUIRE(f.api.source.load("1m",
                            "l 1x69\n"
                            "r{a=\"1\"} 1x69\n"
                            "r{a=\"2\"} _x20 1x9 stale\n"));
  const Groups groups = rules(R"(
[[group]]
name = "g"
interval = "1m"
[[group.alert]]
name = "Join"
expr = "l * on () r > 0"
severity = "low"
no_data = "ok"
)");
  auto results = f.run({groups});
  const RuleResult& rule = results[0].rules[0];
  CHECK(rule.failures == 10);
  CHECK(rule.first_error_at == slot(groups, 20));
  CHECK(rule.first_error.find("many-to-many") != std::string::npos);
  CHECK(rule.gave_up.empty());
  REQUIRE(rule.firings.size() == 1);  // an error does not resolve
  CHECK(rule.firings[0].begin == slot(groups, 0));
  CHECK_FALSE(rule.firings[0].end);
}

TEST_CASE("a rule that the server cannot evaluate at all is given up; nobody there is an error") {
  Fixture f;
  f.settings.to = base::wall_time(24 * 3'600'000);
  f.api.failures["x > 5"] = "unknown function";
  const auto results = f.run({rules(kPlain)});
  CHECK(results[0].rules[0].failures == 50);
  CHECK(results[0].rules[0].gave_up.find("unknown function") != std::string::npos);
  f.api.away = true;
  const auto history = make_remote_history(f.queries, "test");
  const auto none = run_backtest({rules(kPlain)}, *history, f.settings, {});
  REQUIRE_FALSE(none);
  CHECK(none.error().code == base::ErrorCode::Unavailable);
}

constexpr const char* kRecording = R"(
[[group]]
name = "g"
interval = "1m"
[[group.record]]
name = "rec:x"
expr = "2 * x"
[[group.alert]]
name = "Rec"
expr = "rec:x > 5"
severity = "low"
no_data = "ok"
[[group.alert]]
name = "Both"
expr = 'ALERTS{alertname="Rec", alertstate="firing"} and on () y == 1'
severity = "low"
no_data = "ok"
)";

TEST_CASE("rules that read other rules see those of the set, not those of the past") {
  Fixture f;
  // The past has a recording of the same name that would fire all the time.
  REQUIRE(f.api.source.load("1m",
                            "x 1x9 4x19 1x40\n"
                            "y _x20 1x50\n"
                            "rec:x 100x69\n"));
  const Groups groups = rules(kRecording);
  const auto firings = f.firings(groups);
  REQUIRE(firings.size() == 2);
  CHECK(firings[0].rule() == "Rec");
  CHECK(firings[0].begin == slot(groups, 10));  // 2 * 4 > 5, in the same evaluation
  CHECK(firings[0].end == slot(groups, 30));
  CHECK(firings[1].rule() == "Both");
  CHECK(firings[1].begin == slot(groups, 20));
  CHECK(firings[1].end == slot(groups, 30));  // ALERTS ends with a stale marker
}

TEST_CASE("a rule that reads itself, or a later rule, sees the slot before") {
  Fixture f;
  REQUIRE(f.api.source.load("1m", "x 1x69"));
  const Groups groups = rules(R"(
[[group]]
name = "g"
interval = "1m"
[[group.alert]]
name = "Late"
expr = "count_up >= 5"
severity = "low"
no_data = "ok"
[[group.record]]
name = "count_up"
expr = "x + (count_up or 0 * x)  "
)");
  const Plan plan = make_plan(groups);
  REQUIRE(plan.stages.size() == 1);
  CHECK(plan.stages[0].slot_by_slot);
  // count_up is 1 at slot 0, 5 at slot 4; the alert stands before it and sees 5 at slot 5.
  const auto firings = f.firings(groups);
  REQUIRE(firings.size() == 1);
  CHECK(firings[0].begin == slot(groups, 5));
}

TEST_CASE("the same question of two sets is asked once; the diff tells what changed") {
  Fixture f;
  REQUIRE(f.api.source.load("1m",
                            "x{host=\"a\"} 1x9 7x19 1x40\n"
                            "x{host=\"b\"} 1x9 5.5x19 1x40\n"));
  const Groups before = rules(kPlain);
  Groups same = before;
  f.run({same, before});
  CHECK(f.api.asked.size() == 1);

  std::string text = kPlain;
  text.replace(text.find("x > 5"), 5, "x > 6");
  text.replace(text.find("\"2m\""), 4, "\"5m\"");
  const Groups now = rules(text);
  const auto results = f.run({now, before});
  const Diff diff = compare(results[0], results[1], f.settings.to, base::Duration{0});
  REQUIRE(diff.changes.size() == 2);
  const RuleDiff& sum = diff.rules.at("Up");
  CHECK(sum.firings == 1);
  CHECK(sum.firings_before == 2);
  CHECK(sum.changes.at(ChangeKind::Shorter) == 1);  // host a: three minutes later
  CHECK(sum.changes.at(ChangeKind::Gone) == 1);     // host b: 5.5 is not over 6
}

TEST_CASE("warm-up: what fires at the beginning began before it") {
  Fixture f;
  REQUIRE(f.api.source.load("1m", "x{host=\"a\"} 7x29 1x40"));
  const Groups groups = rules(kPlain);
  f.settings.from = base::wall_time(20 * 60'000);
  auto cold = f.firings(groups);
  REQUIRE(cold.size() == 1);
  CHECK(cold[0].begin == slot(groups, 22));
  f.settings.warm_up = base::Duration{10 * 60'000};
  auto warm = f.firings(groups);
  REQUIRE(warm.size() == 1);
  CHECK(warm[0].begin == slot(groups, 12));
  CHECK(longest_hold(groups) == base::Duration{180'000});  // two minutes and a slot
}

TEST_CASE("pages: one for each firing and each end in the period") {
  Fixture f;
  REQUIRE(f.api.source.load("1m", "x{host=\"a\"} 1x9 7x19 1x9 7x40"));
  const auto results = f.run({rules(kPlain)});
  const Pages pages = count_simple(results[0], f.settings.from, f.settings.to);
  CHECK(pages.total == 3);  // the second one still fires
  CHECK(pages.by_kind.at("resolved") == 1);
  CHECK(pages.by_severity.at(model::Severity::High) == 3);
}

TEST_CASE("pages by routing: grouped, and repeated while it fires") {
  Fixture f;
  REQUIRE(f.api.source.load("1m",
                            "x{host=\"a\"} 1x9 7x60\n"
                            "x{host=\"b\"} 1x9 7x60\n"));
  const auto results = f.run({rules(kPlain)});
  routing::Routing routing;
  routing.root.name = "root";
  routing.root.receiver = "ops";
  routing.root.timing.group_wait = base::Duration{30'000};
  routing.root.timing.group_interval = base::Duration{300'000};
  routing.root.timing.repeat_interval = base::Duration{1'200'000};
  incident::IncidentSettings settings;
  settings.receivers["ops"] = {"mail", "pager"};
  const Pages pages = count_routed(results[0], f.settings.from, f.settings.to, routing, settings);
  // Both hosts fire at minute 12 and are one group: one message after half a minute, then again
  // every 20 minutes (at 32 and 52), to two channels each.
  CHECK(pages.incidents == 1);
  CHECK(pages.by_channel.at("ops/mail") == 3);
  CHECK(pages.total == 6);
  CHECK(pages.by_rule.at("Up") == 6);
}

TEST_CASE("rules in force: levels come back from the API as they were") {
  const char* data = R"({"groups":[{"name":"g","file":"f.toml","interval":15,"queryOffset":5,
    "limit":3,"rules":[{"type":"alerting","name":"Full","query":"used","duration":0,
    "keepFiringFor":0,"labels":{"team":"a"},"annotations":{"summary":"s"},"source":"f.toml:7",
    "levels":[{"above":80,"severity":"medium","for":60,"keepFiringFor":0},
              {"above":95,"severity":"critical","for":0,"keepFiringFor":30}],
    "clear":{"below":70},"noData":"keep","health":"ok"},
    {"type":"recording","name":"r","query":"sum (x) ","labels":{},"health":"ok"},
    {"type":"alerting","name":"Plain","query":"x > 1","duration":120,"labels":{},
     "annotations":{},"health":"ok"}]}]})";
  const auto groups = read_rules_in_force(data, {});
  REQUIRE_MESSAGE(groups, groups.error().message);
  const ruler::RuleGroup& group = groups->front();
  CHECK(group.interval == base::Duration{15'000});
  CHECK(group.query_offset == base::Duration{5'000});
  CHECK(group.limit == 3);
  const ruler::Rule& full = group.rules[0];
  CHECK(full.levelled);
  CHECK(full.levels[1].severity == model::Severity::Critical);
  CHECK(full.levels[1].keep_firing_for == base::Duration{30'000});
  CHECK(full.levels[0].bound->to_string() == "> 80");
  CHECK(full.clear->to_string() == "< 70");
  CHECK(full.no_data == ruler::NoData::Keep);
  CHECK(full.place.line == 7);
  CHECK(group.rules[1].kind == ruler::RuleKind::Recording);
  CHECK(group.rules[2].levels[0].hold_for == base::Duration{120'000});
  CHECK_FALSE(group.rules[2].levelled);
  CHECK_FALSE(read_rules_in_force("[]", {}));
  CHECK_FALSE(read_rules_in_force(R"({"groups":[{"name":"g"}]})", {}));

  // A checkout's file lies elsewhere; its slots are those of the group in force.
  Groups checkout = rules(kPlain, "/home/me/rules/test.toml");
  take_slots_of(*groups, checkout);
  CHECK(checkout.front().file == "f.toml");
}

TEST_CASE("answers: what is not one says so") {
  const auto vector = read_query_answer(
      R"({"status":"success","data":{"resultType":"vector","result":[
         {"metric":{"__name__":"x","a":"1\u0041"},"value":[1.5,"+Inf"]}]},"warnings":["w"]})");
  REQUIRE_MESSAGE(vector, vector.error().message);
  CHECK(vector->series[0].labels.to_string() == R"(x{a="1A"})");
  CHECK(vector->series[0].samples[0].timestamp_ms == 1500);
  CHECK(vector->warnings == std::vector<std::string>{"w"});
  const auto scalar =
      read_query_answer(R"({"status":"success","data":{"resultType":"scalar","result":[1,"2"]}})");
  REQUIRE(scalar);
  CHECK(scalar->vector().front().sample.value == 2);
  CHECK_FALSE(read_query_answer("<html>"));
  CHECK_FALSE(read_query_answer(R"({"status":"error"})"));
  CHECK_FALSE(read_query_answer(R"({"status":"success","data":{"resultType":"matrix",)"));
  CHECK_FALSE(read_query_answer(
      R"({"status":"success","data":{"resultType":"scalar","result":[1,"two"]}})"));
  CHECK(api_time(base::wall_time(1'700'000'000'007)) == "1700000000.007");
}

TEST_CASE("needs: ranges, offsets, subqueries, fixed times") {
  const auto needs = [](const char* text) {
    const auto parsed = promql::parse(text);
    REQUIRE(parsed.expr);
    return needs_of(*parsed.expr, base::wall_time(10'000'000), base::wall_time(20'000'000));
  };
  CHECK(base::to_ms(needs("x")[0].begin) == 10'000'000 - 300'000);
  CHECK(base::to_ms(needs("rate(x[10m])")[0].begin) == 10'000'000 - 600'000);
  CHECK(base::to_ms(needs("x offset 1h")[0].end) == 20'000'000 - 3'600'000);
  CHECK(base::to_ms(needs("x offset -1m")[0].end) == 20'000'000 + 60'000);
  CHECK(base::to_ms(needs("max_over_time(x[1h:1m])")[0].begin) == 10'000'000 - 3'600'000 - 300'000);
  CHECK(base::to_ms(needs("x @ 5000")[0].end) == 5'000'000);
  CHECK(depends_on_range(*promql::parse("x @ end()").expr));
  CHECK_FALSE(depends_on_range(*promql::parse("rate(x[5m])").expr));
}

}  // namespace
}  // namespace tocsin::backtest
