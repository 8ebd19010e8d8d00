// What evaluating rules costs: one rule over many label sets, quiet, firing and with levels.

#include <benchmark/benchmark.h>

#include "alertd/ruler/memory_store.h"
#include "alertd/ruler/rule_runner.h"

namespace tocsin::ruler {
namespace {

constexpr std::int64_t kBeginMs = 1'700'000'000'000;

void fill(MemoryStore& store, std::int64_t series, double value) {
  for (std::int64_t i = 0; i < series; ++i) {
    const std::string host = "host" + std::to_string(i);
    const model::Labels labels{{"__name__", "used"}, {"instance", host}, {"job", "node"}};
    for (std::int64_t k = 0; k < 8; ++k) store.add(labels, {kBeginMs + k * 15'000, value});
  }
}

Rule make_rule(const std::string& expr, bool levelled) {
  Rule rule;
  rule.name = "Used";
  rule.expr_text = expr;
  rule.expr = promql::parse(expr).expr;
  rule.annotations = {{"summary", "{{ $labels.instance }} is {{ printf \"%.0f\" $value }} % full"}};
  rule.levelled = levelled;
  rule.levels.push_back({});
  if (levelled) {
    rule.levels[0].bound = Bound{Bound::Side::Above, 80};
    rule.no_data = NoData::Alert;
  }
  return rule;
}

void run(benchmark::State& state, const std::string& expr, bool levelled, double value) {
  MemoryStore store;
  fill(store, state.range(0), value);
  const promql::Engine engine;
  const TemplateContext context;
  auto runner = RuleRunner::make(make_rule(expr, levelled), {}, context);
  std::int64_t ts = kBeginMs + 100'000;
  for (auto _ : state) {
    const RuleOutcome outcome = (*runner)->run(base::wall_time(ts++), {engine, store});
    benchmark::DoNotOptimize(outcome.samples.size());
    if (!outcome.error.empty()) state.SkipWithError(outcome.error.c_str());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void BM_PlainQuiet(benchmark::State& state) {
  run(state, "used > 80", false, 10);
}
void BM_PlainFiring(benchmark::State& state) {
  run(state, "used > 80", false, 90);
}
void BM_LevelledQuiet(benchmark::State& state) {
  run(state, "used", true, 10);
}
void BM_LevelledFiring(benchmark::State& state) {
  run(state, "used", true, 90);
}

BENCHMARK(BM_PlainQuiet)->Arg(100)->Arg(10'000);
BENCHMARK(BM_PlainFiring)->Arg(100)->Arg(10'000);
BENCHMARK(BM_LevelledQuiet)->Arg(100)->Arg(10'000);
BENCHMARK(BM_LevelledFiring)->Arg(100)->Arg(10'000);

}  // namespace
}  // namespace tocsin::ruler

BENCHMARK_MAIN();
