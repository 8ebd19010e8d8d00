// The eighteen points in which rules must behave as in Prometheus 3, one test (or several) each.
//
// Times and values are chosen so that the expectation can be worked out on paper; where we do
// better than Prometheus on purpose (an error does not let a firing alert time out, a moved rule
// keeps its alerts, restarts), the test says so.
#include <doctest/doctest.h>

#include "alertd/ruler/dependency.h"
#include "alertd/ruler/semantics_world.h"

namespace tocsin::ruler::semantics {

TEST_CASE(
    "point 1: slots by hash of the group; a slow group skips slots, counts, never catches up") {
  World world;
  world.write(group(record("a:b", "load1")));
  world.load();
  world.run(minutes(1), 1);
  const WallTime first = *world.ruler->view().groups[0]->last_evaluation;
  world.run(minutes(1), 1);
  const WallTime second = *world.ruler->view().groups[0]->last_evaluation;
  // Exactly on the slots, whatever the time of waking: samples are a multiple of 15 s apart.
  CHECK((second - first).count() % 15'000 == 0);
  for (const model::Sample& sample : world.stored(Labels{{"__name__", "a:b"}, {"host", "a"}})) {
    CHECK((sample.timestamp_ms - base::to_ms(first)) % 15'000 == 0);
  }
  // 50 s for one evaluation: it takes slots 0, 3 (late), 6, ... and misses two of three.
  world.appender.delay = seconds(50);
  world.run(minutes(5), 1);
  CHECK(world.metric("tocsin_alertd_rule_group_iterations_missed_total") >= 8);
}

TEST_CASE("point 2: later rules see what earlier ones wrote in the same evaluation") {
  World world;
  world.write(group(record("a:one", "load1 + 1") + record("a:two", "a:one + 1") +
                    alert("High", "a:two > 4") + alert("Any", "ALERTS{alertname=\"High\"}")));
  world.appender.delay = milliseconds(200);
  world.load();
  world.run(seconds(30), 5);
  REQUIRE(world.alerts().size() == 2);
  CHECK(world.alerts()[0].value == 7);  // 5 + 1 + 1
  CHECK(world.alerts()[1].active_at == world.alerts()[0].active_at);
}

TEST_CASE("point 2: a rule reads of later rules what they wrote in the evaluation before") {
  World world;
  world.write(group(record("early", "late + 1") + record("late", "load1")));
  world.load();
  world.run(seconds(15), 1);
  world.run(seconds(15), 10);
  world.run(seconds(15), 20);
  const auto early = world.stored(Labels{{"__name__", "early"}, {"host", "a"}});
  REQUIRE(early.size() == 2);
  CHECK(early[0].value == 2);   // 1 + 1
  CHECK(early[1].value == 11);  // 10 + 1
}

TEST_CASE("point 2: only rules that do not read each other run at once") {
  base::Diagnostics diagnostics;
  sim::SimFileSystem files;
  const auto waves = [&](const std::string& rules) {
    const config::Source source{"r.yml", group(rules)};
    return plan_waves(read_rule_file(source, {}, files, diagnostics).at(0).rules);
  };
  using Waves = std::vector<std::vector<std::size_t>>;
  CHECK(waves(record("a", "x") + record("b", "y") + record("c", "z")) == Waves{{0, 1, 2}});
  CHECK(waves(record("a", "x") + record("b", "a") + record("c", "z")) == Waves{{0, 2}, {1}});
  // c must not be there yet when b reads it: not before b's wave.
  CHECK(waves(record("a", "x") + record("b", "a + c") + record("c", "z")) == Waves{{0}, {1, 2}});
  // Selectors without a name may read anything.
  CHECK(waves(record("a", "x") + record("b", "'{job=\"j\"}'")) == Waves{{0}, {1}});
  CHECK(waves(alert("A", "x") + alert("B", "y") + alert("C", "'ALERTS{alertname=\"A\"}'")) ==
        Waves{{0, 1}, {2}});
  // A template that queries, too.
  CHECK(waves(record("a", "x") +
              alert("B", "y", "    annotations: {n: '{{ query \"a\" | len }}'}\n")) ==
        Waves{{0}, {1}});
  CHECK_FALSE(base::has_errors(diagnostics));
}

TEST_CASE("point 3: query_offset: query and samples at ts - offset, ActiveAt at ts") {
  One one(alert("High", "load1 > 4"), 0, minutes(2));
  one.step({{"a", 5}});
  REQUIRE(one.phase() == AlertPhase::Firing);
  const ActiveAlert& high = *one.find(Labels{{"alertname", "High"}, {"host", "a"}});
  CHECK(high.active_at == one.now);
  CHECK(high.fired_at == one.now);
  const auto series = one.store.samples(
      Labels{{"__name__", "ALERTS_FOR_STATE"}, {"alertname", "High"}, {"host", "a"}});
  REQUIRE(series.size() == 1);
  CHECK(series[0].timestamp_ms == base::to_ms(one.now - minutes(2)));
  CHECK(series[0].value == base::to_seconds(one.now));
}

TEST_CASE("point 3: the group's query_offset wins over the global one") {
  sim::SimFileSystem files;
  base::Diagnostics diagnostics;
  RuleFileOptions options;
  options.query_offset_default = minutes(1);
  const config::Source source{"r.yml", "groups:\n- name: own\n  query_offset: 2m\n  rules:\n" +
                                           record("a", "x") + "- name: global\n  rules:\n" +
                                           record("a", "x")};
  const auto groups = read_rule_file(source, options, files, diagnostics);
  REQUIRE(groups.size() == 2);
  CHECK(groups[0].query_offset == minutes(2));
  CHECK(groups[1].query_offset == minutes(1));
}

TEST_CASE(
    "point 4: identity: result labels without name, the rule's win, alertname; \"\" removes") {
  One one(alert("High", "load1 > 4",
                "    labels: {host: fixed, team: '{{ $labels.host }}', none: '{{ $labels.nope }}', "
                "host_was: ''}\n"));
  one.step({{"a", 5}});
  REQUIRE(one.runner->state()->alerts().size() == 1);
  CHECK(one.runner->state()->alerts().begin()->first ==
        Labels{{"alertname", "High"}, {"host", "fixed"}, {"team", "a"}});
  // Another value of a templated label is another alert.
  One two(alert("High", "max(load1) > 4", "    labels: {value: '{{ $value }}'}\n"));
  two.step({{"a", 5}});
  two.step({{"a", 6}});
  CHECK(two.find(Labels{{"alertname", "High"}, {"value", "5"}})->phase == AlertPhase::Inactive);
  CHECK(two.find(Labels{{"alertname", "High"}, {"value", "6"}})->phase == AlertPhase::Firing);
}

TEST_CASE("point 4: two results with one identity are an error; nothing changes, nothing is sent") {
  One one(alert("High", "load1 > 4", "    for: 1m\n    labels: {host: all}\n"));
  one.step({{"a", 5}});
  const RuleOutcome twice = one.step({{"a", 5}, {"b", 5}});
  CHECK(twice.error.find("same labels") != std::string::npos);
  CHECK(twice.samples.empty());
  CHECK(twice.alerts.empty());
  CHECK(one.phase("all") == AlertPhase::Pending);  // `for` is over, but nothing was stepped
  one.step({{"a", 5}});
  CHECK(one.phase("all") == AlertPhase::Firing);
}

TEST_CASE("point 5: pending at ts, firing in the evaluation in which for has passed; 0 at once") {
  One one(alert("High", "load1 > 4", "    for: 2m\n    annotations: {v: '{{ $value }}'}\n"));
  one.step({{"a", 5}});
  const WallTime began = one.now;
  CHECK(one.phase() == AlertPhase::Pending);
  one.step({{"a", 6}});
  CHECK(one.phase() == AlertPhase::Pending);
  one.step({{"a", 7}});
  CHECK(one.phase() == AlertPhase::Firing);
  const ActiveAlert& high = *one.find(Labels{{"alertname", "High"}, {"host", "a"}});
  CHECK(high.active_at == began);
  CHECK(high.fired_at == one.now);
  CHECK(high.value == 7);
  CHECK(high.annotations.get("v") == "7");
  One zero(alert("High", "load1 > 4"));
  zero.step({{"a", 5}});
  CHECK(zero.phase() == AlertPhase::Firing);
}

TEST_CASE("point 6: gone while pending is dropped; keep_firing_for from the first miss, reset") {
  One one(alert("High", "load1 > 4", "    for: 1m\n    keep_firing_for: 2m\n"));
  one.step({{"a", 5}});
  one.step({{"a", 1}});
  CHECK(one.runner->state()->alerts().empty());  // keep_firing_for is nothing to a pending alert
  one.step({{"a", 5}});
  one.step({{"a", 5}});
  CHECK(one.phase() == AlertPhase::Firing);
  one.step({{"a", 1}});  // first miss
  one.step({{"a", 1}});
  CHECK(one.phase() == AlertPhase::Firing);
  one.step({{"a", 5}});  // back: it starts anew
  one.step({{"a", 1}});
  one.step({{"a", 1}});
  CHECK(one.phase() == AlertPhase::Firing);
  one.step({{"a", 1}});  // two minutes after the first miss
  CHECK(one.phase() == AlertPhase::Inactive);
  CHECK(one.find(Labels{{"alertname", "High"}, {"host", "a"}})->resolved_at == one.now);
}

TEST_CASE("point 7: resolved alerts are sent again for 15 minutes; coming back is a new alert") {
  One one(alert("High", "load1 > 4"));
  one.step({{"a", 5}});
  one.step({{"a", 1}});
  const WallTime resolved = one.now;
  std::size_t repeats = 0;
  while (one.now < resolved + minutes(15)) {
    one.step({{"a", 1}}, seconds(61));
    repeats += one.sent.size();
  }
  CHECK(repeats >= 13);
  one.step({{"a", 1}}, seconds(61));
  CHECK(one.runner->state()->alerts().empty());
  one.step({{"a", 5}});
  one.step({{"a", 1}});
  one.step({{"a", 5}});
  CHECK(one.find(Labels{{"alertname", "High"}, {"host", "a"}})->active_at == one.now);
}

TEST_CASE("point 8: a for raised by a reload sends a firing alert back to pending") {
  One one(alert("High", "load1 > 4", "    for: 1m\n"));
  one.step({{"a", 5}});
  one.step({{"a", 5}});
  REQUIRE(one.phase() == AlertPhase::Firing);
  one.make(alert("High", "load1 > 4", "    for: 5m\n"));
  one.step({{"a", 5}});
  CHECK(one.phase() == AlertPhase::Pending);
  CHECK(one.sent.empty());
  const ActiveAlert& high = *one.find(Labels{{"alertname", "High"}, {"host", "a"}});
  CHECK_FALSE(high.fired_at);
  CHECK_FALSE(high.last_sent_at);
}

TEST_CASE("point 9: over the limit: error, no series, no stale markers, all alerts forgotten") {
  One one(alert("High", "load1 > 4"), 1);
  one.step({{"a", 5}});
  CHECK(one.phase() == AlertPhase::Firing);
  const RuleOutcome outcome = one.step({{"a", 5}, {"b", 5}});
  CHECK(outcome.error.find("limit 1") != std::string::npos);
  CHECK(outcome.samples.empty());
  CHECK(one.runner->state()->alerts().empty());
  One recording(record("a:b", "load1"), 1);
  CHECK(recording.step({{"a", 5}}).error.empty());
  const RuleOutcome over = recording.step({{"a", 5}, {"b", 5}});
  CHECK(over.error.find("2 series, limit 1") != std::string::npos);
  CHECK(over.samples.empty());
}

TEST_CASE("point 10: a query error changes and writes nothing; other rules go on") {
  World world;
  world.write(group(record("x:y", "load1 / on () load1") + alert("High", "load1 > 4")));
  world.load();
  world.add(kLoadB, 5);
  world.run(minutes(1), 5);
  const auto view = world.ruler->view().groups.at(0);
  CHECK(view->rules[0].health == RuleHealth::Error);
  CHECK_FALSE(view->rules[0].last_error.empty());
  CHECK(world.stored(Labels{{"__name__", "x:y"}}).empty());
  CHECK(view->rules[1].health == RuleHealth::Ok);

  One one(alert("High", "load1 > on () group_left () limit", "    for: 1m\n"));
  const auto limit = [&](double first, double second) {
    one.store.add(Labels{{"__name__", "limit"}, {"n", "1"}},
                  {base::to_ms(one.now + minutes(1)), first});
    one.store.add(Labels{{"__name__", "limit"}, {"n", "2"}},
                  {base::to_ms(one.now + minutes(1)), second});
  };
  limit(1, model::stale_marker());
  one.step({{"a", 5}});
  limit(1, 1);  // two of them: many-to-many
  const RuleOutcome failed = one.step({{"a", 5}});
  CHECK_FALSE(failed.error.empty());
  CHECK(failed.samples.empty());
  CHECK(failed.events.empty());
  CHECK(failed.alerts.empty());
  CHECK(one.phase() == AlertPhase::Pending);
  limit(1, model::stale_marker());
  one.step({{"a", 5}});
  CHECK(one.phase() == AlertPhase::Firing);
  // Beyond Prometheus: what fires is sent on during errors, because it would time out there.
  limit(1, 1);
  const RuleOutcome still = one.step({{"a", 5}}, seconds(61));
  CHECK_FALSE(still.error.empty());
  REQUIRE(still.alerts.size() == 1);
  CHECK_FALSE(still.alerts[0].ends_at);
}

}  // namespace tocsin::ruler::semantics
