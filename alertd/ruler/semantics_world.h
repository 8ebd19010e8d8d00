// What the tests of Prometheus' semantics stand on: a ruler over YAML files, and one rule stepped
// by hand. For tests only.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "alertd/ruler/ruler.h"
#include "alertd/ruler/test_world.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::ruler::semantics {

using base::Duration;
using base::WallTime;
using model::Labels;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

inline const Labels kLoadA{{"__name__", "load1"}, {"host", "a"}};
inline const Labels kLoadB{{"__name__", "load1"}, {"host", "b"}};

/// A ruler over simulated YAML files.
struct World : TestWorld {
  sim::SimFileSystem files;
  RulerOptions options;
  std::unique_ptr<Ruler> ruler;

  World() {
    options.paths = {"/rules"};
    REQUIRE(files.create_folders("/rules"));
  }
  void write(const std::string& text, const std::string& path = "/rules/a.yml") {
    REQUIRE(files.write_atomic(path, text, 0644));
  }
  LoadOutcome load() {
    if (!ruler) ruler = std::make_unique<Ruler>(world, options, files);
    LoadOutcome outcome = ruler->load();
    for (const auto& diagnostic : outcome.diagnostics) INFO(diagnostic.message);
    executor.run_ready();
    return outcome;
  }
  /// load1 of host a is `value`, every 15 s, while time passes.
  void run(Duration time, double value) {
    for (Duration passed{0}; passed < time; passed += seconds(15)) {
      add(kLoadA, value);
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
  std::vector<model::Sample> stored(const Labels& labels) const { return store.samples(labels); }
};

inline std::string group(const std::string& rules, const std::string& more = "",
                         const std::string& name = "g") {
  return "groups:\n- name: " + name + "\n  interval: 15s\n" + more + "  rules:\n" + rules;
}

inline std::string alert(const std::string& name, const std::string& expr,
                         const std::string& more = "") {
  return "  - alert: " + name + "\n    expr: " + expr + "\n" + more;
}

inline std::string record(const std::string& name, const std::string& expr,
                          const std::string& more = "") {
  return "  - record: " + name + "\n    expr: " + expr + "\n" + more;
}

/// One rule, stepped by hand: the text of a rule file with one rule in it.
struct One : TestWorld {
  TemplateContext context;
  RunnerSettings settings;
  std::unique_ptr<RuleRunner> runner;
  std::vector<model::Alert> sent;
  WallTime now = base::wall_time(1'700'000'000'000);

  explicit One(const std::string& rule, std::size_t limit = 0, Duration offset = Duration{0}) {
    settings.limit = limit;
    settings.query_offset = offset;
    make(rule);
  }
  void make(const std::string& rule) {
    sim::SimFileSystem files;
    base::Diagnostics diagnostics;
    const config::Source source{"r.yml", group(rule)};
    auto groups = read_rule_file(source, {}, files, diagnostics);
    REQUIRE_FALSE(base::has_errors(diagnostics));
    auto made = RuleRunner::make(groups.at(0).rules.at(0), settings, context);
    REQUIRE(made);
    if (runner) (*made)->take_over(*runner, now);
    runner = std::move(*made);
  }
  /// The values of load1 by host at the next step; the step is `by` after the last one.
  RuleOutcome step(const std::map<std::string, double>& values, Duration by = minutes(1)) {
    now += by;
    context.now = now;
    for (const std::string host : {"a", "b", "c"}) {
      const auto value = values.find(host);
      store.add(Labels{{"__name__", "load1"}, {"host", host}},
                {base::to_ms(now - settings.query_offset),
                 value == values.end() ? model::stale_marker() : value->second});
    }
    RuleOutcome outcome = runner->run(now, {engine, store});
    for (const auto& sample : outcome.samples) store.add(sample.labels, sample.sample);
    sent = outcome.alerts;
    return outcome;
  }
  const ActiveAlert* find(const Labels& labels) const {
    const auto found = runner->state()->alerts().find(labels);
    return found == runner->state()->alerts().end() ? nullptr : &found->second;
  }
  AlertPhase phase(const std::string& host = "a") const {
    const ActiveAlert* one = find(Labels{{"alertname", "High"}, {"host", host}});
    return one ? one->phase : AlertPhase::Inactive;
  }
};

}  // namespace tocsin::ruler::semantics
