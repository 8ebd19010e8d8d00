// Relabelling of alerts: what leaves changes, what the rule knows does not.
#include <doctest/doctest.h>

#include <algorithm>

#include "alertd/ruler/semantics_world.h"
#include "common/config/table.h"
#include "common/config/toml.h"

namespace tocsin::ruler::semantics {
namespace {

using Rules = std::vector<relabel::Rule>;

Rules rules(const std::string& text) {
  sim::SimFileSystem files;
  base::Diagnostics diagnostics;
  const config::Source source{"alertd.toml", text};
  config::Context context{source, diagnostics, files};
  const config::Node node = config::parse_toml(source, diagnostics);
  config::Table root(context, &node);
  Rules read;
  for (config::Table& table : root.tables("r")) read.push_back(relabel::read_rule(table));
  REQUIRE(diagnostics.empty());
  return read;
}

const std::string kDropA = "[[r]]\naction='drop'\nsource_labels=['host']\nregex='a'\n";
const std::string kNoHost = "[[r]]\naction='labeldrop'\nregex='host'\n";
const std::string kRename = "[[r]]\ntarget_label='team'\nreplacement='ops'\n";

/// One rule whose alerts are relabelled.
struct Relabelled : One {
  explicit Relabelled(const std::string& toml, const std::string& rule = alert("High", "load1 > 4"))
      : One(rule) {
    relabel(toml, rule);
  }
  void relabel(const std::string& toml, const std::string& rule = alert("High", "load1 > 4")) {
    settings.relabel = std::make_shared<const Rules>(rules(toml));
    make(rule);
  }
};

/// "host=b firing", in the order of sending.
std::vector<std::string> told(const std::vector<model::Alert>& alerts) {
  std::vector<std::string> lines;
  for (const model::Alert& alert : alerts) {
    lines.push_back(alert.labels.to_string() + (alert.ends_at ? " resolved" : " firing"));
  }
  return lines;
}
using Told = std::vector<std::string>;

}  // namespace

TEST_CASE("alert relabelling follows external labels, and only what leaves is changed") {
  Relabelled one(
      "[[r]]\nsource_labels=['cluster','host']\nseparator='/'\ntarget_label='place'\n"
      "[[r]]\naction='labeldrop'\nregex='cluster'\n"
      "[[r]]\ntarget_label='__tmp'\nreplacement='x'\n");
  one.context.external_labels = Labels{{"cluster", "eu"}};
  const RuleOutcome outcome = one.step({{"a", 5}});
  REQUIRE(one.sent.size() == 1);
  CHECK(one.sent[0].labels == Labels{{"alertname", "High"}, {"host", "a"}, {"place", "eu/a"}});
  // The active alert and the series are as without.
  const Labels own{{"alertname", "High"}, {"host", "a"}};
  REQUIRE(one.find(own));
  CHECK(std::all_of(outcome.samples.begin(), outcome.samples.end(), [](const auto& sample) {
    return sample.labels.get("place").empty() && sample.labels.get("host") == "a";
  }));
  CHECK(outcome.samples.size() == 2);
}

TEST_CASE("a dropped alert is counted, fires on for itself, and is never said to be over") {
  Relabelled one(kDropA);
  CHECK(one.step({{"a", 5}, {"b", 5}}).alerts_dropped == 1);
  CHECK(told(one.sent) == Told{R"({alertname="High", host="b"} firing)"});
  CHECK(one.phase("a") == AlertPhase::Firing);
  CHECK(one.step({{"a", 5}, {"b", 5}}, seconds(60)).alerts_dropped == 0);  // not due
  CHECK(one.step({{"a", 5}, {"b", 5}}, seconds(1)).alerts_dropped == 1);
  one.step({{"b", 5}});
  CHECK(one.phase("a") == AlertPhase::Inactive);
  for (const model::Alert& alert : one.sent) CHECK(alert.labels.get("host") == "b");
  // Nothing left is dropped, too.
  Relabelled empty("[[r]]\naction='labelkeep'\nregex='nothing'\n");
  CHECK(empty.step({{"a", 5}}).alerts_dropped == 1);
  CHECK(empty.sent.empty());
}

TEST_CASE("alerts of a rule that become equal are one: it fires while one of them does") {
  Relabelled one(kNoHost);
  CHECK(one.step({{"a", 5}, {"b", 5}}).alerts_merged == 1);
  CHECK(told(one.sent) == Told{R"({alertname="High"} firing)"});
  one.step({{"b", 5}}, seconds(61));  // the one that spoke is over, the other speaks
  CHECK(told(one.sent) == Told{R"({alertname="High"} firing)"});
  one.step({}, seconds(1));
  CHECK(told(one.sent) == Told{R"({alertname="High"} resolved)"});
}

TEST_CASE("of alerts that become equal the worst speaks") {
  const std::string rule =
      alert("High", "load1 > 4",
            "    labels: {severity: '{{ if gt $value 9.0 }}critical{{ else }}low{{ end }}'}\n");
  Relabelled one("[[r]]\naction='labeldrop'\nregex='host|severity'\n", rule);
  one.step({{"a", 5}});
  REQUIRE(one.sent.size() == 1);
  CHECK(one.sent[0].severity == model::Severity::Low);
  one.step({{"a", 5}, {"b", 10}}, seconds(1));
  REQUIRE(one.sent.size() == 1);
  CHECK(one.sent[0].severity == model::Severity::Critical);
  one.step({{"a", 5}}, seconds(61));
  REQUIRE(one.sent.size() == 1);
  CHECK(one.sent[0].severity == model::Severity::Low);
  CHECK_FALSE(one.sent[0].ends_at);
}

TEST_CASE("who relabels the label severity changes the severity") {
  const std::string low =
      "[[r]]\nsource_labels=['host']\nregex='a'\ntarget_label='severity'\nreplacement='info'\n";
  Relabelled one(low, alert("High", "load1 > 4", "    labels: {severity: critical}\n"));
  one.step({{"a", 5}, {"b", 5}});
  REQUIRE(one.sent.size() == 2);
  CHECK(one.sent[0].severity == model::Severity::Low);
  CHECK(one.sent[1].severity == model::Severity::Critical);
}

TEST_CASE("forget_alert takes the labels that left, also another alertname") {
  Relabelled one(
      "[[r]]\nsource_labels=['alertname','host']\nseparator='-'\ntarget_label='alertname'\n");
  one.step({{"a", 5}, {"b", 5}});
  REQUIRE(one.sent.size() == 2);
  CHECK(one.sent[0].labels.get("alertname") == "High-a");
  // Only label sets that vanished are forgotten; a present one is left alone.
  CHECK(one.runner->forget_alert(one.now, one.sent[0].labels, "closed").empty());
  CHECK(one.phase("a") == AlertPhase::Firing);
}

TEST_CASE("a restart with the same relabelling says nothing twice; an ended alert is said") {
  const std::string renamed = "[[r]]\ntarget_label='alertname'\nreplacement='Any'\n";
  Relabelled before(renamed);
  before.step({{"a", 5}, {"b", 5}});
  const std::vector<model::Alert> known = before.sent;
  REQUIRE(known.size() == 2);
  Relabelled after(renamed);
  after.now = before.now;
  REQUIRE(after.runner->restore(after.now + minutes(1), std::chrono::hours(1),
                                {before.engine, before.store}, known));
  std::vector<model::Alert> all;
  for (int i = 0; i < 4; ++i) {
    after.step({{"a", 5}});
    all.insert(all.end(), after.sent.begin(), after.sent.end());
  }
  const auto resolved = [](const model::Alert& alert) { return alert.ends_at.has_value(); };
  REQUIRE(std::count_if(all.begin(), all.end(), resolved) >= 1);
  for (const model::Alert& alert : all) {
    CHECK(alert.labels.get("alertname") == "Any");
    CHECK(alert.ends_at.has_value() == (alert.labels.get("host") == "b"));
  }
}

TEST_CASE("a reload changes the relabelling of running alerts: old labels end, new ones begin") {
  World world;
  world.write(group(alert("High", "load1 > 4")));
  world.load();
  world.run(minutes(1), 5);
  REQUIRE(told(world.sink.alerts) == Told{R"({alertname="High", host="a"} firing)"});
  const WallTime active_at = world.alerts().at(0).active_at;
  world.sink.alerts.clear();

  CHECK(world.ruler->load(rules(kRename)).ok);
  world.run(seconds(30), 5);
  Told now = told(world.sink.alerts);
  std::sort(now.begin(), now.end());
  CHECK(now == Told{R"({alertname="High", host="a", team="ops"} firing)",
                    R"({alertname="High", host="a"} resolved)"});
  CHECK(world.alerts().at(0).active_at == active_at);
  world.sink.alerts.clear();

  // The same again, and a load that says nothing of it, change nothing.
  CHECK(world.ruler->load(rules(kRename)).ok);
  CHECK(world.load().ok);
  world.run(seconds(30), 5);
  CHECK(world.sink.alerts.empty());

  // A refused load changes nothing either.
  world.write("groups: [");
  CHECK_FALSE(world.ruler->load(rules(kDropA)).ok);
  world.write(group(alert("High", "load1 > 4")));
  CHECK(world.load().ok);
  world.run(minutes(2), 5);
  for (const model::Alert& alert : world.sink.alerts) CHECK_FALSE(alert.ends_at);
  world.sink.alerts.clear();

  CHECK(world.ruler->load(rules(kDropA)).ok);
  world.run(seconds(30), 5);
  CHECK(told(world.sink.alerts) == Told{R"({alertname="High", host="a", team="ops"} resolved)"});
  CHECK(world.sink.alerts.at(0).annotations.get("resolved_because") == "alert_relabel was changed");
  CHECK(world.alerts().at(0).phase == AlertPhase::Firing);
  CHECK(world.metric("tocsin_alertd_rule_alerts_dropped_total") == 1);
}

}  // namespace tocsin::ruler::semantics
