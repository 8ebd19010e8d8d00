#include "alertd/ruler/ruler.h"

#include <doctest/doctest.h>

#include "alertd/ruler/test_world.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::ruler {
namespace {

using base::Duration;
using model::Labels;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr const char* kFile = "/rules/a.toml";

/// A ruler over one folder of simulated files.
struct RulerWorldTest : TestWorld {
  sim::SimFileSystem files;
  RulerOptions options;
  std::unique_ptr<Ruler> ruler;

  RulerWorldTest() {
    options.paths = {"/rules"};
    REQUIRE(files.create_folders("/rules"));
  }
  void write(const std::string& text, const std::string& path = kFile) {
    REQUIRE(files.write_atomic(path, text, 0644));
  }
  LoadOutcome load() {
    if (!ruler) ruler = std::make_unique<Ruler>(world, options, files);
    LoadOutcome outcome = ruler->load();
    executor.run_ready();
    return outcome;
  }
  /// Keeps a series alive each 15 s while time passes.
  void run(Duration time, double value) {
    for (Duration passed{0}; passed < time; passed += seconds(15)) {
      add(Labels{{"__name__", "load1"}, {"host", "a"}}, value);
      executor.run_for(seconds(15));
    }
  }
  std::vector<AlertView> alerts() const {
    std::vector<AlertView> all;
    for (const auto& group : ruler->view().groups) {
      for (const RuleView& rule : group->rules) {
        all.insert(all.end(), rule.alerts.begin(), rule.alerts.end());
      }
    }
    return all;
  }
};

std::string group_text(const std::string& rules, const std::string& name = "g") {
  return "[[group]]\nname = \"" + name + "\"\ninterval = \"15s\"\n" + rules;
}

std::string alert_text(const std::string& name, const std::string& hold_for,
                       const std::string& more = {}) {
  return "[[group.alert]]\nname = \"" + name +
         "\"\nexpr = 'load1 > 4'\nseverity = \"high\"\nrunbook = \"https://x.org\"\nfor = \"" +
         hold_for + "\"\n" + more;
}

}  // namespace

TEST_CASE("an alert goes from the files to the sink and resolves") {
  RulerWorldTest test;
  test.write(group_text(alert_text("High", "30s", "summary = '{{ $labels.host }} {{ $value }}'")));
  const LoadOutcome outcome = test.load();
  REQUIRE(outcome.ok);
  CHECK(outcome.rules == 1);
  test.run(minutes(2), 5);
  REQUIRE_FALSE(test.sink.alerts.empty());
  const model::Alert first = test.sink.alerts.front();
  CHECK(first.labels == Labels{{"alertname", "High"}, {"host", "a"}, {"severity", "high"}});
  CHECK(first.annotations.get("summary") == "a 5");
  CHECK(first.severity == model::Severity::High);
  CHECK(first.rule_source == "/rules/a.toml:5");
  CHECK_FALSE(first.ends_at);
  // Valid for four times the larger of interval and resend delay: four minutes.
  CHECK(first.valid_until == first.updated_at + minutes(4));
  REQUIRE(test.alerts().size() == 1);
  CHECK(test.alerts().front().phase == AlertPhase::Firing);

  test.sink.alerts.clear();
  test.run(minutes(1), 1);
  REQUIRE_FALSE(test.sink.alerts.empty());
  CHECK(test.sink.alerts.front().ends_at);
  CHECK(test.alerts().empty());
}

TEST_CASE("evaluations are on slots of the interval, at a phase of the group's own") {
  RulerWorldTest test;
  test.write(group_text(alert_text("High", "0s"), "one"));
  test.write(group_text(alert_text("High", "0s"), "two"), "/rules/b.toml");
  test.load();
  test.run(minutes(3), 1);
  const auto groups = test.ruler->view().groups;
  REQUIRE(groups.size() == 2);
  const std::int64_t first = base::to_ms(*groups[0]->last_evaluation) % 15000;
  const std::int64_t second = base::to_ms(*groups[1]->last_evaluation) % 15000;
  CHECK(first != second);
  // Twelve slots of 15 s in three minutes, for each group.
  CHECK(test.metric("tocsin_alertd_rule_group_iterations_total") == 24);
  CHECK(test.metric("tocsin_alertd_rule_group_iterations_missed_total") == 0);
}

TEST_CASE("a slow group misses slots, counts them, and does not catch up") {
  RulerWorldTest test;
  test.write(group_text(alert_text("High", "0s")));
  test.appender.delay = seconds(40);
  test.load();
  test.run(minutes(10), 5);
  const double iterations = test.metric("tocsin_alertd_rule_group_iterations_total");
  const double missed = test.metric("tocsin_alertd_rule_group_iterations_missed_total");
  // 40 slots in 10 minutes; each evaluation of 40 s uses the slot it is on and skips one or two.
  CHECK(iterations >= 13);
  CHECK(iterations <= 16);
  CHECK(missed >= 22);
  CHECK(iterations + missed <= 40);
}

TEST_CASE("a rule that reads an earlier one waits for its write; others share one") {
  RulerWorldTest test;
  test.write(
      group_text("[[group.record]]\nname = \"a:b\"\nexpr = 'load1'\n"
                 "[[group.record]]\nname = \"c:d\"\nexpr = 'load1 * 2'\n"
                 "[[group.record]]\nname = \"e:f\"\nexpr = 'a:b + 1'\n"));
  test.appender.delay = milliseconds(100);
  test.load();
  test.run(seconds(30), 5);
  const auto samples = test.store.samples(Labels{{"__name__", "e:f"}, {"host", "a"}});
  REQUIRE_FALSE(samples.empty());
  CHECK(samples.front().value == 6);
  // a:b and c:d together, then e:f.
  CHECK(test.appender.batches == 2 * samples.size());
}

TEST_CASE("a store that refuses is counted; alerts fire all the same") {
  RulerWorldTest test;
  test.write(group_text(alert_text("High", "0s")));
  test.appender.refuse = true;
  test.load();
  test.run(minutes(1), 5);
  CHECK(test.metric("tocsin_alertd_rule_append_failures_total") >= 3);
  CHECK_FALSE(test.sink.alerts.empty());
}

TEST_CASE("a failing rule shows its error and leaves the others alone") {
  RulerWorldTest test;
  test.write(group_text("[[group.record]]\nname = \"x:y\"\nexpr = 'load1 / on () load1'\n" +
                        alert_text("High", "0s")));
  test.load();
  test.add(Labels{{"__name__", "load1"}, {"host", "b"}}, 5);
  test.run(minutes(1), 5);
  const auto group = test.ruler->view().groups.at(0);
  CHECK(group->rules[0].health == RuleHealth::Error);
  CHECK_FALSE(group->rules[0].last_error.empty());
  CHECK(group->rules[1].health == RuleHealth::Ok);
  CHECK(group->rules[1].alerts.size() == 2);
  CHECK(test.metric("tocsin_alertd_rule_evaluation_failures_total") >= 3);
  CHECK(test.metric("tocsin_alertd_rule_group_rules_failing") == 1);
}

TEST_CASE("broken files are refused whole, and the old rules run on") {
  RulerWorldTest test;
  test.write(group_text(alert_text("High", "0s")));
  test.load();
  test.run(seconds(30), 5);
  test.write(group_text(alert_text("Other", "0s")), "/rules/b.toml");
  test.write("[[group]]\nname = \"g\"\nintervall = \"1s\"\n");
  const LoadOutcome outcome = test.load();
  CHECK_FALSE(outcome.ok);
  REQUIRE(outcome.diagnostics.size() == 1);
  CHECK(outcome.diagnostics[0].line == 3);
  test.run(seconds(30), 5);
  REQUIRE(test.alerts().size() == 1);
  CHECK(test.alerts()[0].labels.get("alertname") == "High");
  CHECK_FALSE(test.ruler->view().last_load_ok);
  CHECK(test.ruler->view().last_load_error.find("intervall") != std::string::npos);
  CHECK(test.metric("tocsin_alertd_rule_reload_successful") == 0);
}

TEST_CASE("a reload keeps alerts, also of rules that moved to another group and file") {
  RulerWorldTest test;
  test.write(group_text(alert_text("High", "1m")));
  test.load();
  test.run(minutes(2), 5);
  REQUIRE(test.alerts().size() == 1);
  const base::WallTime active_at = test.alerts()[0].active_at;
  test.sink.alerts.clear();

  test.write(group_text("# moved away\n"));
  test.write(group_text(alert_text("High", "1m"), "elsewhere"), "/rules/b.toml");
  CHECK(test.load().ok);
  test.run(seconds(45), 5);
  REQUIRE(test.alerts().size() == 1);
  CHECK(test.alerts()[0].active_at == active_at);
  CHECK(test.alerts()[0].phase == AlertPhase::Firing);
  for (const model::Alert& alert : test.sink.alerts) CHECK_FALSE(alert.ends_at);
}

TEST_CASE("a rule that is removed resolves its alerts with the reason, and ends its series") {
  RulerWorldTest test;
  test.write(group_text(alert_text("High", "0s")));
  test.load();
  test.run(minutes(1), 5);
  test.sink.alerts.clear();
  test.write(group_text(""));
  CHECK(test.load().ok);
  test.executor.run_for(seconds(15));  // the series end with the group's next evaluation
  REQUIRE(test.sink.alerts.size() == 1);
  CHECK(test.sink.alerts[0].ends_at);
  CHECK(test.sink.alerts[0].annotations.get("resolved_because").find("/rules/a.toml:5") !=
        std::string::npos);
  const auto samples = test.store.samples(Labels{{"__name__", "ALERTS"},
                                                 {"alertname", "High"},
                                                 {"alertstate", "firing"},
                                                 {"host", "a"},
                                                 {"severity", "high"}});
  REQUIRE_FALSE(samples.empty());
  CHECK(model::is_stale(samples.back().value));
}

TEST_CASE("a reload waits for a running evaluation") {
  RulerWorldTest test;
  test.write(group_text(alert_text("High", "0s")));
  test.appender.delay = seconds(10);
  test.load();
  test.run(seconds(45), 5);
  test.write(group_text(alert_text("High", "0s", "labels = { team = \"x\" }\n")));
  test.load();
  test.write(group_text(alert_text("High", "0s", "labels = { team = \"y\" }\n")));
  test.load();
  test.run(minutes(1), 5);
  REQUIRE(test.alerts().size() == 1);
  CHECK(test.alerts()[0].labels.get("team") == "y");
}

TEST_CASE("after a restart alerts go on where they were") {
  RulerWorldTest test;
  test.write(group_text(alert_text("High", "20m")));
  test.load();
  test.run(minutes(15), 5);
  test.ruler->stop();
  test.ruler.reset();
  test.executor.run_for(minutes(1));
  test.load();
  test.run(minutes(1), 5);
  REQUIRE(test.alerts().size() == 1);
  const Duration age = test.clock.wall() - test.alerts()[0].active_at;
  // 15 minutes before plus one since; less than the grace of 10 minutes remained, so it is due 10
  // minutes after the first evaluation: it looks 10 to 11 minutes old.
  CHECK(age >= minutes(10));
  CHECK(age <= minutes(12));
}

TEST_CASE("what ended while no process could say so is said after the restart, once") {
  RulerWorldTest test;
  test.write(group_text(alert_text("High", "0s") + alert_text("Other", "0s")));
  test.load();
  test.run(minutes(1), 5);
  std::vector<model::Alert> told = test.sink.alerts;
  REQUIRE(told.size() >= 2);
  // It ended in the outage; that another rule's alert is told of too is none of this rule's
  // business.
  told.resize(2);
  told[1].labels = model::LabelsBuilder(told[1].labels).set("host", "elsewhere").build();
  told.push_back(told[0]);
  told[2].labels = model::LabelsBuilder(told[2].labels).set(model::kAlertName, "Unknown").build();
  test.ruler->stop();
  test.ruler = std::make_unique<Ruler>(test.world, test.options, test.files);
  test.ruler->set_told(told);
  test.sink.alerts.clear();
  test.load();
  test.run(minutes(3), 5);
  std::vector<std::string> resolved;
  for (const model::Alert& alert : test.sink.alerts) {
    if (alert.ends_at) resolved.emplace_back(alert.labels.get("host"));
  }
  // The alert on host "a" fires on and is not said to be over.
  CHECK(resolved == std::vector<std::string>{"elsewhere"});
}

TEST_CASE("steps of the wall clock neither fire alerts nor lose time") {
  for (const Duration step : {Duration(minutes(-120)), Duration(minutes(120))}) {
    RulerWorldTest test;
    test.write(group_text(alert_text("High", "10m")));
    test.load();
    test.run(minutes(5), 5);
    test.clock.step_wall(step);
    test.run(minutes(4), 5);
    REQUIRE(test.alerts().size() == 1);
    CHECK(test.alerts()[0].phase == AlertPhase::Pending);
    test.run(minutes(2), 5);
    CHECK(test.alerts()[0].phase == AlertPhase::Firing);
    CHECK(test.metric("tocsin_alertd_rule_clock_steps_total") == 1);
    CHECK(test.metric("tocsin_alertd_rule_group_iterations_missed_total") == 0);
  }
}

TEST_CASE("changed files are found when looking for them is on") {
  RulerWorldTest test;
  test.options.poll_interval = seconds(30);
  test.write(group_text(alert_text("High", "0s")));
  test.load();
  test.run(minutes(1), 5);
  test.write(group_text(alert_text("Renamed", "0s")));
  test.run(minutes(1), 5);
  REQUIRE(test.alerts().size() == 1);
  CHECK(test.alerts()[0].labels.get("alertname") == "Renamed");
}

TEST_CASE("when_in_force() waits for the rules to run, through an evaluation and a newer load") {
  RulerWorldTest test;
  test.write(group_text(alert_text("High", "0s")));
  test.ruler = std::make_unique<Ruler>(test.world, test.options, test.files);
  std::vector<std::string> seen;
  const auto note = [&] {
    const RulerView view = test.ruler->view();
    seen.push_back(view.groups.empty() ? "none" : view.groups[0]->rules[0].name);
  };
  // Nothing was loaded: nothing to wait for.
  test.ruler->when_in_force(note);
  test.executor.run_ready();
  CHECK(seen == std::vector<std::string>{"none"});

  test.ruler->load();
  test.ruler->when_in_force(note);
  CHECK(seen.size() == 1);
  test.executor.run_ready();
  CHECK(seen.back() == "High");

  // The group waits for the store; the second load comes while the first one waits for the group.
  test.appender.delay = seconds(40);
  test.run(seconds(30), 5);
  test.write(group_text(alert_text("Second", "0s")));
  test.ruler->load();
  test.ruler->when_in_force(note);
  test.executor.run_ready();
  test.write(group_text(alert_text("Third", "0s")));
  test.ruler->load();
  test.ruler->when_in_force(note);
  test.executor.run_ready();
  CHECK(seen.size() == 2);
  test.executor.run_for(minutes(1));
  CHECK(seen == std::vector<std::string>{"none", "High", "Second", "Third"});

  // A refused load changes nothing, so there is nothing to wait for.
  test.write("[[group]]\nnam = 1\n");
  CHECK_FALSE(test.ruler->load().ok);
  test.appender.delay = seconds(0);
  test.ruler->when_in_force(note);
  test.executor.run_ready();
  CHECK(seen.back() == "Third");

  test.ruler->stop();
  test.ruler->when_in_force(note);
  test.executor.run_for(minutes(2));
  CHECK(seen.size() == 5);
}

TEST_CASE("after stop nothing runs any more") {
  RulerWorldTest test;
  test.write(group_text(alert_text("High", "0s")));
  test.appender.delay = seconds(1);
  test.load();
  test.run(minutes(1), 5);
  test.ruler->stop();
  test.sink.alerts.clear();
  const double before = test.metric("tocsin_alertd_rule_evaluations_total");
  test.run(minutes(2), 5);
  CHECK(test.metric("tocsin_alertd_rule_evaluations_total") == before);
  CHECK(test.sink.alerts.empty());
  CHECK(test.executor.pending() == 0);
}

}  // namespace tocsin::ruler
