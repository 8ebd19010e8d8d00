// How long the engine needs for a storm, for the resends of it, and for its restart.
#include <benchmark/benchmark.h>

#include <string>

#include "alertd/incident/engine.h"
#include "alertd/incident/record_codec.h"
#include "alertd/routing/route_config.h"

namespace tocsin::incident {
namespace {

const base::WallTime kStart = base::wall_time(1'700'000'000'000);

Engine make_engine(std::vector<std::string> group_by = {"alertname"}) {
  routing::Routing routing;
  routing.root.receiver = "oncall";
  routing.root.group_by = std::move(group_by);
  routing.root.timing.group_wait = base::Duration{0};
  routing::complete_routes(routing.root);
  IncidentSettings settings;
  settings.receivers = {{"oncall", {"pager", "mail"}}};
  settings.storm_incidents = 0;
  return Engine(std::move(routing), {}, std::move(settings));
}

std::vector<model::Alert> storm(std::int64_t count, base::WallTime now, std::int64_t names = 100) {
  std::vector<model::Alert> alerts;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::string name = "Alert" + std::to_string(i % names);
    const std::string host = "host" + std::to_string(i) + ".example.net";
    model::Alert alert;
    alert.labels =
        model::Labels({{"alertname", name}, {"host", host}, {"job", "node"}, {"severity", "high"}});
    alert.annotations = model::Labels({{"summary", "something is wrong with " + host}});
    alert.severity = model::Severity::High;
    alert.starts_at = kStart;
    alert.updated_at = now;
    alert.valid_until = now + std::chrono::minutes(4);
    alerts.push_back(std::move(alert));
  }
  return alerts;
}

void first_seen(benchmark::State& state) {
  const auto alerts = storm(state.range(0), kStart);
  for (auto _ : state) {
    Engine engine = make_engine();
    benchmark::DoNotOptimize(engine.step(kStart, {alerts, {}, {}}));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(first_seen)->Arg(1'000)->Arg(10'000)->Unit(benchmark::kMillisecond);

// The storm row of shared/bench: each alert is a group of its own, with a message of its own, and
// each message is reported when it arrived. All have their job in common, so they are related.
void own_groups(benchmark::State& state) {
  const auto alerts = storm(state.range(0), kStart, state.range(0));
  for (auto _ : state) {
    Engine engine = make_engine({"alertname", "job"});
    StateChange change = engine.step(kStart, {alerts, {}, {}}).change;
    while (!change.outbox.empty()) {
      std::vector<DeliveryReport> reports;
      for (const Notification& message : change.outbox) reports.push_back(report_of(message));
      change = engine.step(kStart, {{}, {}, reports}).change;
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(own_groups)->Arg(50'000)->Unit(benchmark::kMillisecond);

// 1,000 silences, of which each alert matches one or none; and a rule that all alerts are targets
// of.
void silenced(benchmark::State& state) {
  routing::Routing routing;
  routing.root.receiver = "oncall";
  routing.root.group_by = {"alertname"};
  routing::complete_routes(routing.root);
  routing.inhibit_rules = {{"",
                            {{model::Matcher::equal("alertname", "Alert7")}},
                            {model::Matcher::equal("severity", "low")},
                            {"host"}}};
  std::vector<routing::Edit> edits;
  for (int i = 0; i < 1'000; ++i) {
    routing::SetSilence edit;
    edit.silence.matcher_sets = {
        {model::Matcher::equal("host", "host" + std::to_string(i * 10) + ".example.net"),
         model::Matcher::equal("job", "node")}};
    edit.silence.ends_at = kStart + std::chrono::hours(1);
    edits.emplace_back(std::move(edit));
  }
  IncidentSettings settings;
  settings.receivers = {{"oncall", {"pager", "mail"}}};
  const auto alerts = storm(state.range(0), kStart);
  for (auto _ : state) {
    Engine engine(routing, {}, settings);
    benchmark::DoNotOptimize(engine.step(kStart, {alerts, {}, {}, edits}));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(silenced)->Arg(50'000)->Unit(benchmark::kMillisecond);

void sent_again(benchmark::State& state) {
  Engine engine = make_engine();
  engine.step(kStart, {storm(state.range(0), kStart), {}, {}});
  const auto alerts = storm(state.range(0), kStart + std::chrono::seconds(1));
  for (auto _ : state) {
    benchmark::DoNotOptimize(engine.step(kStart + std::chrono::seconds(1), {alerts, {}, {}}));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(sent_again)->Arg(1'000)->Arg(10'000)->Unit(benchmark::kMillisecond);

void restart(benchmark::State& state) {
  Engine before = make_engine();
  const StateChange change = before.step(kStart, {storm(state.range(0), kStart), {}, {}}).change;
  LoadedState loaded;
  loaded.alerts = change.alerts_upsert;
  loaded.groups = change.groups_upsert;
  loaded.incidents = change.incidents_upsert;
  for (auto _ : state) {
    Engine engine = make_engine();
    benchmark::DoNotOptimize(engine.restore(loaded, kStart));
  }
}
BENCHMARK(restart)->Arg(10'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tocsin::incident

BENCHMARK_MAIN();
