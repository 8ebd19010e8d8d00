// A week of 30 hosts with 800 series each, 15 s apart, in simulated time on the real disk: bytes a
// sample, memory, and queries over all of it.
//
// TOCSIN_BENCH_DAYS=1 makes it shorter. The shapes are those of a node exporter: of ten series four
// never change, two are counters of whole numbers, two whole gauges, one a clock of fractions (CPU
// seconds of a hundredth), one a gauge of fractions.
#include <benchmark/benchmark.h>
#include <fmt/core.h>

#include <cmath>
#include <cstdlib>

#include "alertd/tsdb/store.h"
#include "common/base/process.h"
#include "common/base/random.h"
#include "common/base/sim_executor.h"
#include "common/base/strings.h"

namespace tocsin::tsdb {
namespace {

constexpr int kHosts = 30;
constexpr int kSeriesOfHost = 800;
constexpr std::int64_t kFirstMs = 1'700'000'000'000;
constexpr std::int64_t kStepMs = 15'000;

class Fleet {
 public:
  Fleet() : values_(kHosts * kSeriesOfHost) {
    for (int host = 0; host < kHosts; ++host) {
      for (int i = 0; i < kSeriesOfHost; ++i) {
        const std::string name = fmt::format("web-{:02}.example.net", host);
        labels_.push_back(model::Labels{{"__name__", fmt::format("node_metric_{}_total", i / 8)},
                                        {"device", fmt::format("dev{}", i % 8)},
                                        {"host", name},
                                        {"instance", name + ":9100"},
                                        {"job", "node"}});
      }
    }
  }

  std::shared_ptr<model::WriteBatch> round(int host, std::int64_t at_ms) {
    auto batch = std::make_shared<model::WriteBatch>();
    for (int i = 0; i < kSeriesOfHost; ++i) {
      const auto k = static_cast<std::size_t>(host * kSeriesOfHost + i);
      batch->add(labels_[k], {at_ms, next(i % 10, values_[k])});
    }
    return batch;
  }

 private:
  double next(int shape, double& value) {
    switch (shape) {
      case 0:
      case 1:
        return value += static_cast<double>(random_->below(2'000));
      case 2:
      case 3:
        return value = std::round(4'000 + 100 * noise());
      case 4:
        return value = std::round((value + 14 + random_->unit()) * 100) / 100;
      case 5:
        return value = std::round((3 + 1.5 * noise()) * 100) / 100;
      default:
        return value;
    }
  }
  double noise() { return random_->unit() + random_->unit() - 1; }

  std::unique_ptr<base::Random> random_ = base::make_seeded_random(1);
  std::vector<double> values_;
  std::vector<model::Labels> labels_;
};

/// Resident MiB that is not the page of a file.
double anonymous_mib() {
  const auto files = base::make_real_file_system();
  const auto status = files->read("/proc/self/status", 1 << 16);
  const std::size_t at = status ? status->find("RssAnon:") : std::string::npos;
  return at == std::string::npos ? 0 : std::atof(status->c_str() + at + 8) / 1024;
}

void query(const Store& store, const model::Matcher& matcher, std::int64_t end_ms,
           benchmark::State& state, const char* name) {
  const base::RealClock clock;
  const base::MonotonicTime begin = clock.monotonic();
  const std::vector<model::Matcher> matchers{
      model::Matcher::equal("__name__", "node_metric_7_total"), matcher};
  const auto set = store.select(matchers, kFirstMs, end_ms, {});
  std::vector<model::Sample> samples;
  std::size_t read = 0;
  for (std::size_t i = 0; i < (*set)->size(); ++i) {
    samples.clear();
    (void)(*set)->samples(i, kFirstMs, end_ms, samples);
    read += samples.size();
  }
  state.counters[fmt::format("{}_s", name)] =
      std::chrono::duration<double>(clock.monotonic() - begin).count();
  state.counters[fmt::format("{}_samples", name)] = static_cast<double>(read);
}

void week(benchmark::State& state) {
  base::SimClock clock(base::wall_time(kFirstMs));
  base::SimExecutor executor(clock);
  base::Metrics metrics;
  const auto files = base::make_real_file_system();
  char path[] = "/tmp/history_bench_XXXXXX";
  StoreOptions options;
  options.folder = std::string(::mkdtemp(path)) + "/data";
  options.fsync = Fsync::Interval;  // time runs ten thousand times too fast for the disk
  const double before = anonymous_mib();
  auto store = std::move(Store::open(options, *files, executor, metrics).value());
  Fleet fleet;
  const std::string wanted = base::environment("TOCSIN_BENCH_DAYS").value_or("7");
  const std::int64_t days = base::parse_i64(wanted).value_or(7);
  const std::int64_t rounds = days * 5'760;
  for (auto _ : state) {
    for (std::int64_t round = 0; round < rounds; ++round) {
      for (int host = 0; host < kHosts; ++host) {
        store->append(fleet.round(host, kFirstMs + round * kStepMs + host * 7), {});
      }
      executor.run_for(base::Duration{kStepMs});
    }
  }
  executor.run_for(base::Duration{300'000});
  const double samples = static_cast<double>(rounds) * kHosts * kSeriesOfHost;
  const StoreStatus status = store->status();
  state.SetItemsProcessed(static_cast<std::int64_t>(samples));
  state.counters["segments"] = static_cast<double>(status.segments);
  state.counters["bytes_a_sample_in_segments"] =
      static_cast<double>(status.segment_bytes) / static_cast<double>(status.samples_on_disk);
  state.counters["disk_bytes_a_sample"] =
      static_cast<double>(status.segment_bytes + status.wal_bytes + status.checkpoint_bytes) /
      samples;
  state.counters["anonymous_MiB"] = anonymous_mib() - before;
  state.counters["chunks_MiB"] = static_cast<double>(status.chunk_bytes) / (1 << 20);
  const std::int64_t end_ms = kFirstMs + rounds * kStepMs;
  query(*store, model::Matcher::equal("host", "web-07.example.net"), end_ms, state, "host");
  query(*store, model::Matcher::equal("job", "node"), end_ms, state, "fleet");
  state.counters["anonymous_MiB_after"] = anonymous_mib() - before;
  store.reset();
  if (const auto names = files->list(options.folder)) {
    for (const auto& name : *names) (void)files->remove(options.folder + "/" + name);
  }
  (void)files->remove(options.folder);
  (void)files->remove(path);
}

BENCHMARK(week)->Unit(benchmark::kSecond)->Iterations(1);

}  // namespace
}  // namespace tocsin::tsdb

BENCHMARK_MAIN();
