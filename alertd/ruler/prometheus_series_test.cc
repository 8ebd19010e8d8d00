// Points 11 to 18; see prometheus_semantics_test.cc.
#include <doctest/doctest.h>

#include <algorithm>

#include "alertd/ruler/semantics_world.h"

namespace tocsin::ruler::semantics {
namespace {

std::size_t stale_markers(const std::vector<model::Sample>& samples) {
  return static_cast<std::size_t>(
      std::count_if(samples.begin(), samples.end(),
                    [](const model::Sample& sample) { return model::is_stale(sample.value); }));
}

}  // namespace

TEST_CASE("point 11: ALERTS and ALERTS_FOR_STATE, with values and times") {
  One one(alert("High", "load1 > 4", "    for: 1m\n"));
  one.step({{"a", 5}});
  const WallTime began = one.now;
  one.step({{"a", 5}});
  const auto pending = one.store.samples(Labels{
      {"__name__", "ALERTS"}, {"alertname", "High"}, {"alertstate", "pending"}, {"host", "a"}});
  REQUIRE(pending.size() == 2);
  CHECK(pending[0].value == 1);
  CHECK(model::is_stale(pending[1].value));  // it fires now
  const auto firing = one.store.samples(Labels{
      {"__name__", "ALERTS"}, {"alertname", "High"}, {"alertstate", "firing"}, {"host", "a"}});
  REQUIRE(firing.size() == 1);
  CHECK(firing[0].timestamp_ms == base::to_ms(one.now));
  const auto since = one.store.samples(
      Labels{{"__name__", "ALERTS_FOR_STATE"}, {"alertname", "High"}, {"host", "a"}});
  REQUIRE(since.size() == 2);
  CHECK(since[1].value == base::to_seconds(began));
}

TEST_CASE("point 12: series that end get one stale marker, at the next evaluation") {
  One one(record("a:b", "load1"));
  one.step({{"a", 5}, {"b", 5}});
  one.step({{"a", 5}});
  one.step({{"a", 5}});
  CHECK(stale_markers(one.store.samples(Labels{{"__name__", "a:b"}, {"host", "a"}})) == 0);
  const auto ended = one.store.samples(Labels{{"__name__", "a:b"}, {"host", "b"}});
  REQUIRE(ended.size() == 2);
  CHECK(model::is_stale(ended[1].value));
}

TEST_CASE("point 12: a rule that is deleted: markers with the group's next evaluation") {
  World world;
  world.write(group(record("a:b", "load1") + record("c:d", "load1")));
  world.load();
  world.run(minutes(1), 5);
  const Labels series{{"__name__", "c:d"}, {"host", "a"}};
  world.write(group(record("a:b", "load1")));
  CHECK(world.load().ok);
  CHECK(stale_markers(world.stored(series)) == 0);
  world.run(seconds(15), 5);
  REQUIRE(stale_markers(world.stored(series)) == 1);
  const auto kept = world.stored(Labels{{"__name__", "a:b"}, {"host", "a"}});
  CHECK(world.stored(series).back().timestamp_ms == kept.back().timestamp_ms);
  CHECK(stale_markers(kept) == 0);
}

TEST_CASE("point 12: a group that is removed waits for two intervals") {
  World world;
  world.write(group(record("a:b", "load1") + record("c:d", "load1")));
  world.load();
  world.run(minutes(1), 5);
  // Renamed, with one of the rules changed beyond recognition, though it writes the same series.
  world.write(group(record("a:b", "load1", "    labels: {host: a}\n"), "", "renamed"));
  CHECK(world.load().ok);
  const std::int64_t removed_ms = base::to_ms(world.clock.wall());
  world.run(seconds(15), 5);
  const Labels gone{{"__name__", "c:d"}, {"host", "a"}};
  CHECK(stale_markers(world.stored(gone)) == 0);
  world.run(seconds(30), 5);
  REQUIRE(stale_markers(world.stored(gone)) == 1);
  CHECK(world.stored(gone).back().timestamp_ms == removed_ms);
  CHECK(stale_markers(world.stored(Labels{{"__name__", "a:b"}, {"host", "a"}})) == 0);
}

TEST_CASE("point 12: a rule that moves to another group has no markers; nor has a shutdown") {
  World world;
  world.write(group(record("a:b", "load1")));
  world.write(group(record("x:y", "load1"), "", "other"), "/rules/b.yml");
  world.load();
  world.run(minutes(1), 5);
  world.write(group(record("e:f", "load1")));
  world.write(group(record("x:y", "load1") + record("a:b", "load1"), "", "other"), "/rules/b.yml");
  CHECK(world.load().ok);
  world.run(minutes(1), 5);
  CHECK(stale_markers(world.stored(Labels{{"__name__", "a:b"}, {"host", "a"}})) == 0);
  world.ruler->stop();
  world.executor.run_for(minutes(5));
  CHECK(stale_markers(world.stored(Labels{{"__name__", "a:b"}, {"host", "a"}})) == 0);
}

TEST_CASE("point 13: a reload copies state by name and labels, the k-th of equals to the k-th") {
  World world;
  const auto rules = [](const std::string& extra) {
    return group(alert("High", "load1 > 4") + alert("High", "load1 > 100") + extra);
  };
  world.write(rules(""));
  world.load();
  world.run(minutes(1), 5);
  REQUIRE(world.alerts().size() == 1);
  const WallTime active_at = world.alerts()[0].active_at;
  world.write(rules(alert("New", "load1 > 100")));
  CHECK(world.load().ok);
  world.run(seconds(15), 5);
  const auto view = world.ruler->view().groups.at(0);
  REQUIRE(view->rules[0].alerts.size() == 1);
  CHECK(view->rules[0].alerts[0].active_at == active_at);
  CHECK(view->rules[1].alerts.empty());
}

TEST_CASE("point 14: restore of for: four cases, with and without query_offset") {
  struct Case {
    Duration pending_before;  ///< Age of the alert when the process ended.
    Duration outage;
    Duration active_before;  ///< Wanted: age of ActiveAt at the first evaluation afterwards.
  };
  // for: 30m, grace: 10m. Remaining is 30m less the age at the end.
  const std::vector<Case> cases{
      {minutes(35), minutes(5), minutes(40)},   // nothing remains: the stored time stays
      {minutes(25), minutes(5), minutes(20)},   // 5m remain, less than the grace: due in 10m
      {minutes(10), minutes(20), minutes(10)},  // 20m remain: the outage does not count
      {minutes(10), minutes(70), minutes(0)},   // older than the tolerance of 1h: anew
  };
  for (const Duration offset : {Duration{0}, Duration(minutes(2))}) {
    for (const Case& one : cases) {
      One before(alert("High", "load1 > 4", "    for: 30m\n"), 0, offset);
      for (Duration age{0}; age <= one.pending_before; age += minutes(1)) before.step({{"a", 5}});
      One after(alert("High", "load1 > 4", "    for: 30m\n"), 0, offset);
      after.now = before.now + one.outage - minutes(1);
      const auto restored = after.runner->restore(before.now + one.outage, std::chrono::hours(1),
                                                  {before.engine, before.store});
      REQUIRE(restored);
      after.step({{"a", 5}});
      const ActiveAlert* alert = after.find(Labels{{"alertname", "High"}, {"host", "a"}});
      REQUIRE(alert);
      CHECK(after.now - alert->active_at == one.active_before);
    }
  }
}

TEST_CASE("point 14: short for and stale series are not restored; firing alerts are, beyond") {
  // A pending alert whose `for` is below the grace of 10m starts anew.
  One before(alert("High", "load1 > 4", "    for: 5m\n"));
  for (int i = 0; i < 3; ++i) before.step({{"a", 5}});
  One after(alert("High", "load1 > 4", "    for: 5m\n"));
  after.now = before.now + minutes(1);
  REQUIRE(after.runner->restore(after.now + minutes(1), std::chrono::hours(1),
                                {before.engine, before.store}));
  after.step({{"a", 5}});
  CHECK(after.find(Labels{{"alertname", "High"}, {"host", "a"}})->active_at == after.now);
  // It had ended before the outage.
  One ended(alert("High", "load1 > 4", "    for: 30m\n"));
  for (int i = 0; i < 20; ++i) ended.step({{"a", 5}});
  ended.step({{"a", 1}});
  One next(alert("High", "load1 > 4", "    for: 30m\n"));
  next.now = ended.now + minutes(1);
  REQUIRE(next.runner->restore(next.now + minutes(1), std::chrono::hours(1),
                               {ended.engine, ended.store}));
  next.step({{"a", 5}});
  CHECK(next.find(Labels{{"alertname", "High"}, {"host", "a"}})->active_at == next.now);
  // Prometheus sends a firing alert with a short `for` back to pending; we do not.
  for (int i = 0; i < 5; ++i) before.step({{"a", 5}});
  REQUIRE(before.phase() == AlertPhase::Firing);
  One fires(alert("High", "load1 > 4", "    for: 5m\n"));
  fires.now = before.now + minutes(1);
  REQUIRE(fires.runner->restore(fires.now + minutes(1), std::chrono::hours(1),
                                {before.engine, before.store}));
  fires.step({{"a", 5}});
  CHECK(fires.phase() == AlertPhase::Firing);
}

TEST_CASE("point 14: templated labels are left out of the comparison") {
  const std::string rule =
      alert("High", "load1 > 4", "    for: 30m\n    labels: {v: '{{ $value }}'}\n");
  One before(rule);
  for (int i = 0; i < 20; ++i) before.step({{"a", 5}});
  One after(rule);
  after.now = before.now;
  REQUIRE(after.runner->restore(after.now + minutes(1), std::chrono::hours(1),
                                {before.engine, before.store}));
  after.step({{"a", 6}});
  const ActiveAlert* alert = after.find(Labels{{"alertname", "High"}, {"host", "a"}, {"v", "6"}});
  REQUIRE(alert);
  CHECK(after.now - alert->active_at > minutes(10));
}

TEST_CASE("point 15: what is sent when: never pending, resend delay, resolved once it resolves") {
  One one(alert("High", "load1 > 4", "    for: 1m\n"));
  one.context.external_labels = Labels{{"cluster", "eu"}, {"host", "not this"}};
  one.step({{"a", 5}});
  CHECK(one.sent.empty());
  one.step({{"a", 5}});
  REQUIRE(one.sent.size() == 1);
  CHECK(one.sent[0].starts_at == one.now);  // FiredAt, not ActiveAt
  // The interval and the resend delay are a minute each: valid for four.
  CHECK(one.sent[0].valid_until == one.now + minutes(4));
  // External labels are added when it leaves, and the alert's own win.
  CHECK(one.sent[0].labels == Labels{{"alertname", "High"}, {"cluster", "eu"}, {"host", "a"}});
  CHECK(one.find(Labels{{"alertname", "High"}, {"host", "a"}}));
  one.step({{"a", 5}}, seconds(60));  // LastSentAt + delay < ts is not met yet
  CHECK(one.sent.empty());
  one.step({{"a", 5}}, seconds(1));
  CHECK(one.sent.size() == 1);
  one.step({{"a", 1}}, seconds(1));
  REQUIRE(one.sent.size() == 1);
  CHECK(one.sent[0].ends_at == one.now);
}

TEST_CASE("point 16: what a rule file may say") {
  sim::SimFileSystem files;
  const auto errors = [&](const std::string& text) {
    base::Diagnostics diagnostics;
    const config::Source source{"r.yml", text};
    read_rule_file(source, {}, files, diagnostics);
    return std::count_if(diagnostics.begin(), diagnostics.end(), [](const auto& diagnostic) {
      return diagnostic.severity == base::DiagnosticSeverity::Error;
    });
  };
  const std::string fine =
      group(alert("A", "x > 1", "    for: 1d\n    keep_firing_for: 5m\n    labels: {b: rule}\n"),
            "  limit: 5\n  query_offset: 1m\n  labels: {a: g, b: g}\n");
  CHECK(errors(fine) == 0);
  base::Diagnostics diagnostics;
  const config::Source source{"r.yml", fine};
  const RuleGroup read = read_rule_file(source, {}, files, diagnostics).at(0);
  CHECK(read.limit == 5);
  CHECK(read.rules[0].labels == std::vector<NamedText>{{"a", "g"}, {"b", "rule"}});
  CHECK(read.rules[0].levels[0].hold_for == std::chrono::hours(24));
  CHECK(errors(group(alert("A", "x") + "    fro: 5m\n")) == 1);
  CHECK(errors(group(record("a:b", "x", "    for: 5m\n"))) == 1);
  CHECK(errors(group(record("a:b", "x", "    annotations: {a: b}\n"))) == 1);
  CHECK(errors(group(alert("A", "x", "    record: b\n"))) == 1);
  CHECK(errors(group("  - expr: x\n")) == 1);
  CHECK(errors(group(alert("A", "x", "    labels: {__name__: b}\n"))) == 1);
  CHECK(errors(group(alert("A", "x", "    annotations: {a: '{{ $lables.b }}'}\n"))) == 1);
  CHECK(errors(group(alert("A", "x +"))) >= 1);
  CHECK(errors(group(alert("A", "x")) + "- name: g\n  rules: []\n") == 1);
  // Recording labels are not templates; two results with the same labels are an error.
  One one(record("a:b", "load1", "    labels: {host: '{{ $value }}'}\n"));
  CHECK(one.step({{"a", 1}}).samples.at(0).labels.get("host") == "{{ $value }}");
  CHECK_FALSE(one.step({{"a", 1}, {"b", 1}}).error.empty());
}

TEST_CASE("point 17: names that templates see; a missing label is \"\"; failure becomes the text") {
  One one(alert("High", "load1 > 4",
                "    labels: {rule: own}\n"
                "    annotations:\n"
                "      same: '{{ $labels.host }} {{ .Labels.host }} {{ $value }} {{ .Value }}'\n"
                "      world: '{{ $externalLabels.cluster }} {{ .ExternalLabels.cluster }} "
                "{{ $externalURL }} {{ .ExternalURL }}'\n"
                "      missing: '[{{ $labels.nope }}]'\n"
                "      rule_label: '[{{ $labels.rule }}]'\n"
                "      broken: '{{ $labels.host | toTime }}'\n"));
  one.context.external_labels = Labels{{"cluster", "eu"}};
  one.context.external_url = "https://t.example";
  const RuleOutcome outcome = one.step({{"a", 5}});
  REQUIRE(one.sent.size() == 1);
  const Labels& annotations = one.sent[0].annotations;
  CHECK(annotations.get("same") == "a a 5 5");
  CHECK(annotations.get("world") == "eu eu https://t.example https://t.example");
  CHECK(annotations.get("missing") == "[]");
  CHECK(annotations.get("rule_label") == "[]");  // the labels of the result, not the rule's
  CHECK(annotations.get("broken").starts_with("<error expanding template: "));
  CHECK(outcome.template_failures == 1);
  CHECK(one.phase("a") == AlertPhase::Inactive);  // its identity has the label `rule`
}

TEST_CASE("point 18: the functions of templates") {
  const TemplateContext nothing;
  TemplateContext context;
  context.external_url = "https://t.example/prefix";
  context.now = base::wall_time(1'700'000'000'500);
  context.query = [](const std::string& expr) -> base::Result<promql::Vector> {
    if (expr != "up") return base::error(base::ErrorCode::InvalidArgument, "no such series");
    return promql::Vector{{Labels{{"__name__", "up"}, {"instance", "b:1"}}, {0, 2}},
                          {Labels{{"__name__", "up"}, {"instance", "a:1"}}, {0, 1}}};
  };
  const Labels labels{{"host", "web.example.org:9100"}, {"size", "1048576"}};
  const auto expand = [&](const std::string& text) -> std::string {
    const auto parsed = RuleText::parse(text, context);
    if (!parsed) return "parse: " + parsed.error().message;
    const auto out = parsed->expand({labels, 1234.5});
    return out ? *out : "error: " + out.error().message;
  };
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({{ query "up" | first | value }})", "2"},
      {R"({{ query "up" | first | label "instance" }})", "b:1"},
      {R"({{ range query "up" | sortByLabel "instance" }}{{ .Labels.instance }}={{ .Value }} {{ end }})",
       "a:1=1 b:1=2 "},
      {R"({{ query "up" | first | strvalue }}|)", "|"},
      {R"({{ with args 1 "b" }}{{ .arg0 }}{{ .arg1 }}{{ end }})", "1b"},
      {R"({{ reReplaceAll "([a-z]+)[.].*" "$1" $labels.host }})", "web"},
      {R"({{ match "web.*" $labels.host }})", "true"},
      {R"({{ title "a bc" }} {{ toUpper "ab" }} {{ toLower "AB" }})", "A Bc AB ab"},
      {R"({{ safeHtml "<b>" }})", "<b>"},
      {R"({{ graphLink "up > 1" }})", "/graph?g0.expr=up+%3E+1&g0.tab=0"},
      {R"({{ tableLink "up" }})", "/graph?g0.expr=up&g0.tab=1"},
      {R"({{ stripPort $labels.host }} {{ stripDomain $labels.host }})",
       "web.example.org web:9100"},
      {R"({{ humanize $value }} {{ humanize1024 1048576.0 }} {{ humanizeDuration 3725.0 }})",
       "1.234k 1Mi 1h 2m 5s"},
      {R"({{ humanizePercentage 0.256 }} {{ humanizeTimestamp 0.0 }})",
       "25.6% 1970-01-01 00:00:00 +0000 UTC"},
      {R"({{ (toTime 1.0).Unix }} {{ (toDuration 90.0).Minutes }} {{ parseDuration "1h30m" }})",
       "1 1.5 5400"},
      {R"({{ now }})", "1.7000000005e+09"},
      {R"({{ externalURL }} {{ pathPrefix }})", "https://t.example/prefix /prefix"},
      {R"({{ urlQueryEscape "a b&c" }})", "a+b%26c"},
      {R"({{ printf "%.2f %s %d%%" $value "x" 5 }})", "1234.50 x 5%"},
      {R"({{ define "t" }}<{{ . }}>{{ end }}{{ template "t" 7 }} {{ tmpl "t" "x" | toUpper }})",
       "<7> <X>"},
      {R"({{ if and (gt $value 1000.0) (not false) }}big{{ else }}small{{ end }})", "big"},
      {R"({{ eq 1 1 }} {{ ne 1 2 }} {{ lt 1 2 }} {{ le 2 2 }} {{ ge 2 3 }} {{ or "" "b" }})",
       "true true true true false b"},
      {R"({{ len "abc" }} {{ index $labels "size" }} {{ slice "abcd" 1 3 }})", "3 1048576 bc"},
      {R"({{ $x := 3 }}{{ $x }} {{- /* gone */ -}} !)", "3!"},
  };
  for (const auto& [text, wanted] : cases) {
    INFO(text);
    CHECK(expand(text) == wanted);
  }
  CHECK(expand(R"({{ query "down" }})").find("no such series") != std::string::npos);
  CHECK(expand(R"({{ tmpl "nope" . }})").find("not defined") != std::string::npos);
  CHECK(expand(R"({{ define "t" }}{{ tmpl "t" . }}{{ end }}{{ tmpl "t" . }})").find("100 deep") !=
        std::string::npos);
  CHECK(expand("{{ nope 1 }}").starts_with("parse: "));
}

}  // namespace tocsin::ruler::semantics
