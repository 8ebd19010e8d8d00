// One round of all host collectors on this machine: what an interval of ten seconds pays for them.
#include <benchmark/benchmark.h>

#include <string>

#include "agent/collectors/exposition/exposition.h"
#include "agent/collectors/host/host_collectors.h"

namespace tocsin::agent {
namespace {

// Counts only, so that the collectors are measured and not the sink.
class CountingSink final : public MetricSink {
 public:
  using MetricSink::add;
  void add(const MetricInfo& metric, std::span<const model::LabelView> labels,
           double value) override {
    benchmark::DoNotOptimize(value);
    bytes += metric.name.size() + labels.size();
    ++samples;
  }
  std::size_t samples = 0;
  std::size_t bytes = 0;
};

void collect(benchmark::State& state, const std::vector<std::string>& names) {
  const base::RealClock clock;
  base::Metrics metrics;
  HostSettings settings;
  settings.enabled = names;
  const auto collectors = make_host_collectors(settings, {clock, metrics});
  std::size_t samples = 0;
  for (auto _ : state) {
    CountingSink sink;
    for (const auto& collector : collectors) {
      if (collector->present()) benchmark::DoNotOptimize(collector->collect(sink).has_value());
    }
    samples = sink.samples;
  }
  state.counters["samples"] = static_cast<double>(samples);
}

void one_round(benchmark::State& state) {
  collect(state, {});
}
BENCHMARK(one_round)->Unit(benchmark::kMicrosecond)->MeasureProcessCPUTime();

void one_collector(benchmark::State& state) {
  const std::vector<std::string> names = host_collector_names();
  const std::string& name = names[static_cast<std::size_t>(state.range(0))];
  state.SetLabel(name);
  collect(state, {name});
}
BENCHMARK(one_collector)->DenseRange(0, 26)->Unit(benchmark::kMicrosecond)->MeasureProcessCPUTime();

void parse_text(benchmark::State& state) {
  std::string text = "# HELP http_requests_total Requests.\n# TYPE http_requests_total counter\n";
  for (int i = 0; i < 1000; ++i) {
    text += "http_requests_total{method=\"GET\",path=\"/a/b\",code=\"" + std::to_string(i) + "\"} ";
    text += std::to_string(i * 7) + "\n";
  }
  for (auto _ : state) {
    std::size_t samples = 0;
    const auto parsed =
        parse_exposition(text, ExpositionFormat::Prometheus, {}, [&](const ExpositionSample&) {
          ++samples;
          return base::ok();
        });
    benchmark::DoNotOptimize(parsed.has_value());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(parse_text)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace tocsin::agent

BENCHMARK_MAIN();
