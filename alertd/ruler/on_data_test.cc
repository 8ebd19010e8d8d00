// Groups with `interval = "on-data"`: who is woken by what, how often, and when nobody is.
#include <doctest/doctest.h>

#include "alertd/ruler/ruler.h"
#include "alertd/ruler/test_world.h"
#include "common/config/source.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::ruler {
namespace {

using base::Duration;
using model::Labels;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// A ruler whose data comes in as the daemon's does.
struct OnDataTest : TestWorld {
  sim::SimFileSystem files;
  Arrivals arrivals;
  ShowingAppender intake{store, arrivals, clock};
  std::unique_ptr<Ruler> ruler;

  explicit OnDataTest(const std::string& rules) {
    world.arrivals = &arrivals;
    REQUIRE(files.create_folders("/rules"));
    write(rules);
    RulerOptions options;
    options.paths = {"/rules"};
    ruler = std::make_unique<Ruler>(world, options, files);
    load();
  }
  ~OnDataTest() {
    ruler->stop();
    executor.run_for(minutes(10));
  }

  void write(const std::string& rules) {
    REQUIRE(files.write_atomic("/rules/a.toml", rules, 0644));
  }
  void load() {
    const LoadOutcome outcome = ruler->load();
    CHECK(config::render_all(outcome.diagnostics, outcome.sources).find("error") ==
          std::string::npos);
    REQUIRE(outcome.ok);
    executor.run_ready();
  }
  /// A sample comes in, `age` old, and everything that it causes at once happens.
  void send(const Labels& labels, double value, Duration age = Duration{0}) {
    auto batch = std::make_shared<model::WriteBatch>();
    batch->add(labels, {base::to_ms(clock.wall() - age), value});
    intake.append(batch, {});
    executor.run_ready();
  }
  double evaluations() const { return metric("tocsin_alertd_rule_evaluations_total"); }
  std::vector<std::string> firing() const {
    std::vector<std::string> names;
    for (const auto& group : ruler->view().groups) {
      for (const RuleView& rule : group->rules) {
        for (const AlertView& alert : rule.alerts) {
          if (alert.phase == AlertPhase::Firing) names.push_back(rule.name);
        }
      }
    }
    return names;
  }
};

std::string group(const std::string& rules, const std::string& more = "",
                  const std::string& name = "g") {
  return "[[group]]\nname = \"" + name + "\"\ninterval = \"on-data\"\n" + more + rules;
}

std::string alert(const std::string& name, const std::string& expr, const std::string& more = "") {
  return "[[group.alert]]\nname = \"" + name + "\"\nexpr = '" + expr +
         "'\nseverity = \"medium\"\nrunbook = \"https://example.org/x\"\n" + more;
}

std::string record(const std::string& name, const std::string& expr) {
  return "[[group.record]]\nname = \"" + name + "\"\nexpr = '" + expr + "'\n";
}

const Labels kLoad{{"__name__", "load1"}, {"host", "a"}};
const Labels kTemperature{{"__name__", "temperature"}, {"host", "a"}};

}  // namespace

TEST_CASE("a sample that crosses the threshold fires at once, and the time is that of arrival") {
  OnDataTest test(group(alert("High", "load1 > 4"), "min_interval = \"0s\"\n"));
  test.executor.run_for(milliseconds(17'321));
  test.send(kLoad, 1);
  CHECK(test.firing().empty());
  test.executor.run_for(milliseconds(123));
  test.send(kLoad, 5);
  CHECK(test.firing() == std::vector<std::string>{"High"});
  REQUIRE(test.sink.alerts.size() == 1);
  CHECK(test.sink.alerts[0].starts_at == test.clock.wall());
  test.executor.run_for(milliseconds(50));
  test.send(kLoad, 3);
  CHECK(test.firing().empty());
  CHECK(test.sink.alerts.back().ends_at);
}

TEST_CASE("only rules that read the new data are evaluated, and those that read what they record") {
  OnDataTest test(group(record("load:max", "max(load1)") + alert("High", "load:max > 4") +
                            alert("Hot", "temperature > 80") +
                            alert("OtherHost", "load1{host=\"b\"} > 4"),
                        "min_interval = \"0s\"\n"));
  test.executor.run_for(seconds(1));
  const double before = test.evaluations();
  test.send(kLoad, 5);
  CHECK(test.evaluations() == before + 2);  // load:max and High
  CHECK(test.firing() == std::vector<std::string>{"High"});
  test.executor.run_for(seconds(1));
  test.send(kTemperature, 90);
  CHECK(test.evaluations() == before + 3);
  test.executor.run_for(seconds(1));
  test.send(Labels{{"__name__", "nobody_reads_this"}}, 1);
  CHECK(test.evaluations() == before + 3);
}

TEST_CASE("min_interval spaces evaluations and loses none") {
  OnDataTest test(group(alert("High", "load1 > 4"), "min_interval = \"1s\"\n"));
  test.executor.run_for(seconds(2));
  const double before = test.evaluations();
  test.send(kLoad, 1);
  CHECK(test.evaluations() == before + 1);
  for (int i = 0; i < 9; ++i) {
    test.executor.run_for(milliseconds(100));
    test.send(kLoad, i == 3 ? 9 : 5);
  }
  CHECK(test.evaluations() == before + 1);
  // The nine that came meanwhile are one evaluation, a second after the first.
  test.executor.run_for(milliseconds(100));
  CHECK(test.evaluations() == before + 2);
  CHECK(test.firing() == std::vector<std::string>{"High"});
}

TEST_CASE("the fallback notices what no arrival tells: absence, staleness, the end of a for") {
  OnDataTest test(
      group(alert("High", "load1 > 4", "for = \"10s\"\n") + alert("Gone", "absent(load1)"),
            "min_interval = \"0s\"\n"));
  test.send(kLoad, 5);
  CHECK(test.firing().empty());
  // A `for` ends without a sample; the evaluation was a moment after the group's first.
  test.executor.run_for(seconds(10) + milliseconds(5));
  CHECK(test.firing() == std::vector<std::string>{"High"});
  // The sample goes stale after five minutes; the fallback looks once a minute.
  test.executor.run_for(minutes(6));
  CHECK(test.firing() == std::vector<std::string>{"Gone"});
  // Firing alerts are sent again before they would time out, 4 minutes after each.
  std::size_t sent = 0;
  for (const model::Alert& one : test.sink.alerts) {
    if (one.name() == "High" && !one.ends_at) ++sent;
  }
  CHECK(sent >= 3);
}

TEST_CASE("recordings wake other groups, and groups that read each other come to rest") {
  OnDataTest test(group(record("a:one", "load1 + 0 * a:three"), "min_interval = \"0s\"\n", "one") +
                  group(record("a:two", "a:one"), "min_interval = \"0s\"\n", "two") +
                  group(record("a:three", "a:two") + alert("High", "a:two > 4"),
                        "min_interval = \"0s\"\n", "three"));
  // Something for the loop to begin with.
  test.add(Labels{{"__name__", "a:three"}, {"host", "a"}}, 1);
  const double before = test.evaluations();
  test.executor.run_for(milliseconds(500));
  test.send(kLoad, 5);
  // Each group once: one, two, three (two rules); three does not wake one again.
  CHECK(test.evaluations() == before + 4);
  CHECK(test.firing() == std::vector<std::string>{"High"});
  test.executor.run_for(milliseconds(500));
  test.send(kLoad, 1);
  CHECK(test.evaluations() == before + 8);
  CHECK(test.firing().empty());
}

TEST_CASE("late samples wake nobody, and samples ahead of the clock are seen when it gets there") {
  OnDataTest test(group(alert("High", "load1 > 4"), "min_interval = \"0s\"\n"));
  test.executor.run_for(seconds(1));
  const double before = test.evaluations();
  test.send(kLoad, 9, minutes(20));
  CHECK(test.evaluations() == before);
  CHECK(test.firing().empty());
  test.send(kLoad, 5, seconds(-3));
  CHECK(test.firing().empty());
  test.executor.run_for(seconds(3));
  CHECK(test.firing() == std::vector<std::string>{"High"});
}

TEST_CASE("evaluations go on in order although two arrive within a millisecond") {
  OnDataTest test(group(alert("High", "load1 > 4") + record("load:max", "max(load1)"),
                        "min_interval = \"0s\"\n"));
  test.executor.run_for(seconds(1));
  test.send(kLoad, 5);
  test.send(Labels{{"__name__", "load1"}, {"host", "b"}}, 7);
  const auto samples = test.store.samples(Labels{{"__name__", "load:max"}});
  REQUIRE(samples.size() >= 2);
  CHECK(samples.back().value == 7);
  CHECK(test.metric("tocsin_alertd_rule_samples_refused_total") == 0);
}

TEST_CASE("after a reload the new rules listen and the old ones do not") {
  OnDataTest test(group(alert("High", "load1 > 4"), "min_interval = \"0s\"\n"));
  test.executor.run_for(seconds(1));
  test.write(group(alert("Hot", "temperature > 80"), "min_interval = \"0s\"\n"));
  test.load();
  test.executor.run_for(seconds(1));
  const double before = test.evaluations();
  test.send(kLoad, 5);
  CHECK(test.evaluations() == before);
  test.send(kTemperature, 90);
  CHECK(test.evaluations() == before + 1);
  CHECK(test.firing() == std::vector<std::string>{"Hot"});
}

TEST_CASE("a refused batch wakes nobody") {
  OnDataTest test(group(alert("High", "load1 > 4"), "min_interval = \"0s\"\n"));
  test.appender.refuse = true;
  ShowingAppender refused(test.appender, test.arrivals, test.clock);
  test.executor.run_for(seconds(1));
  const double before = test.evaluations();
  auto batch = std::make_shared<model::WriteBatch>();
  batch->add(kLoad, {base::to_ms(test.clock.wall()), 9});
  bool answered = false;
  refused.append(batch, [&](auto outcome) { answered = !outcome; });
  test.executor.run_ready();
  CHECK(answered);
  CHECK(test.evaluations() == before);
}

}  // namespace tocsin::ruler
