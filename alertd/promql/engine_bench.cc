// What a rule costs: the engine over series in memory, without the store's decoding.
//
// 10,000 series (100 hosts x 100 cpus), 10 minutes of samples every 15 s. Times are for one
// evaluation; divide by the series for the cost of each.
#include <benchmark/benchmark.h>

#include "alertd/promql/engine.h"

namespace tocsin::promql {
namespace {

constexpr int kHosts = 100;
constexpr int kCpus = 100;
constexpr std::int64_t kStepMs = 15'000;
constexpr std::int64_t kSamples = 40;

// All series of two metrics; select() hands out views of one block of samples.
class FleetSource final : public model::SeriesSource {
 public:
  FleetSource() {
    for (const char* name : {"cpu_seconds_total", "limit"}) {
      for (int host = 0; host < kHosts; ++host) {
        for (int cpu = 0; cpu < kCpus; ++cpu) add(name, host, cpu);
      }
    }
    for (std::int64_t i = 0; i < kSamples; ++i) {
      samples_.push_back({i * kStepMs, static_cast<double>(i) * 3});
    }
  }

  base::Result<std::unique_ptr<model::SeriesSet>> select(
      std::span<const model::Matcher> matchers, std::int64_t, std::int64_t,
      const model::SelectLimits&) const override {
    auto set = std::make_unique<Set>();
    set->samples_of_all = &samples_;
    for (const model::Labels& labels : labels_) {
      if (model::matches_all(matchers, labels)) set->series.push_back(&labels);
    }
    return std::unique_ptr<model::SeriesSet>(std::move(set));
  }
  base::Result<std::vector<std::string>> label_values(
      std::string_view, std::span<const model::Matcher>) const override {
    return std::vector<std::string>{};
  }
  base::Result<std::vector<std::string>> label_names(
      std::span<const model::Matcher>) const override {
    return std::vector<std::string>{};
  }

 private:
  struct Set final : model::SeriesSet {
    std::vector<const model::Labels*> series;
    const std::vector<model::Sample>* samples_of_all = nullptr;
    std::size_t size() const override { return series.size(); }
    const model::Labels& labels(std::size_t index) const override { return *series[index]; }
    base::Result<void> samples(std::size_t, std::int64_t begin_ms, std::int64_t end_ms,
                               std::vector<model::Sample>& out) const override {
      for (const model::Sample& sample : *samples_of_all) {
        if (sample.timestamp_ms >= begin_ms && sample.timestamp_ms <= end_ms) {
          out.push_back(sample);
        }
      }
      return base::ok();
    }
  };

  void add(const char* name, int host, int cpu) {
    labels_.push_back({{"__name__", name},
                       {"cpu", std::to_string(cpu)},
                       {"instance", "host-" + std::to_string(host) + ".example.org:9100"},
                       {"job", "node"},
                       {"mode", "idle"}});
  }

  std::vector<model::Labels> labels_;
  std::vector<model::Sample> samples_;
};

const FleetSource& fleet() {
  static const FleetSource source;
  return source;
}

void run_instant(benchmark::State& state, std::string_view query) {
  const Parsed parsed = parse(query);
  const Engine engine;
  const base::WallTime at = base::wall_time(kSamples * kStepMs - 1);
  for (auto _ : state) {
    auto result = engine.instant(fleet(), *parsed.expr, at);
    if (!result) state.SkipWithError(result.error().message.c_str());
    benchmark::DoNotOptimize(result);
  }
  state.counters["per_series"] = benchmark::Counter(
      kHosts * kCpus, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void run_range(benchmark::State& state, std::string_view query) {
  const Parsed parsed = parse(query);
  const Engine engine;
  for (auto _ : state) {
    auto result = engine.range(fleet(), *parsed.expr, base::wall_time(300'000),
                               base::wall_time(kSamples * kStepMs - 1), base::Duration{5'000});
    if (!result) state.SkipWithError(result.error().message.c_str());
    benchmark::DoNotOptimize(result);
  }
}

BENCHMARK_CAPTURE(run_instant, selector_threshold, "limit > 1000");
BENCHMARK_CAPTURE(run_instant, rate_threshold, "rate(cpu_seconds_total[5m]) > 10");
BENCHMARK_CAPTURE(run_instant, sum_by_rate,
                  "sum by (instance) (rate(cpu_seconds_total[5m])) > 1000");
BENCHMARK_CAPTURE(run_instant, sum_without_rate,
                  "sum without (cpu) (rate(cpu_seconds_total[5m])) > 1000");
BENCHMARK_CAPTURE(run_instant, ratio_of_vectors, "100 * (1 - cpu_seconds_total / limit) > 90");
BENCHMARK_CAPTURE(run_instant, unless_on, "cpu_seconds_total unless on (instance, cpu) limit");
BENCHMARK_CAPTURE(run_range, sum_by_rate_60_steps,
                  "sum by (instance) (rate(cpu_seconds_total[5m]))")
    ->Unit(benchmark::kMillisecond);

void parse_rule(benchmark::State& state) {
  for (auto _ : state) {
    auto parsed = parse(
        "100 * (1 - sum by (instance) (rate(node_cpu_seconds_total{mode=\"idle\"}[5m])) / "
        "count by (instance) (node_cpu_seconds_total{mode=\"idle\"})) > 90 and on (instance) up == "
        "1");
    benchmark::DoNotOptimize(parsed);
  }
}
BENCHMARK(parse_rule);

}  // namespace
}  // namespace tocsin::promql

BENCHMARK_MAIN();
