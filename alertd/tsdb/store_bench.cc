// Real disk and one thread: append in the steady state, creation, select, restart.
#include "alertd/tsdb/store.h"

#include <benchmark/benchmark.h>
#include <fmt/core.h>

#include <cstdlib>
#include <deque>

#include "common/base/process.h"
#include "common/base/sim_executor.h"

namespace tocsin::tsdb {
namespace {

constexpr int kSeries = 100'000;
constexpr int kPerRequest = 500;
constexpr std::int64_t kStart = 1'700'000'000'000;

/// Runs tasks at once when asked; time is real for measuring, simulated for samples.
struct World {
  base::SimClock clock{base::wall_time(kStart)};
  base::SimExecutor executor{clock};
  base::Metrics metrics;
  std::unique_ptr<base::FileSystem> files = base::make_real_file_system();
  StoreOptions options;
  std::unique_ptr<Store> store;
  std::string folder;

  World() {
    char path[] = "/tmp/store_bench_XXXXXX";
    folder = ::mkdtemp(path);
    options.folder = folder + "/data";
    options.series_max = 10'000'000;
  }
  ~World() {
    store.reset();
    if (const auto names = files->list(options.folder)) {
      for (const auto& name : *names) (void)files->remove(options.folder + "/" + name);
    }
    (void)files->remove(options.folder);
    (void)files->remove(folder);
  }
  void open() {
    auto opened = Store::open(options, *files, executor, metrics);
    store = std::move(opened.value());
  }
};

std::shared_ptr<model::WriteBatch> request(int number, std::int64_t timestamp, double value) {
  auto batch = std::make_shared<model::WriteBatch>();
  for (int i = 0; i < kPerRequest; ++i) {
    const int id = number * kPerRequest + i;
    const std::string host = fmt::format("web-{:05}.example.net", id / 500);
    const std::string instance = host + ":9100";
    const std::string metric = fmt::format("node_metric_{}_total", id % 100);
    const std::string device = fmt::format("dev{}", id % 500 / 100);
    batch->add(model::Labels{{"__name__", metric},
                             {"device", device},
                             {"host", host},
                             {"instance", instance},
                             {"job", "node"}},
               {timestamp, value + id});
  }
  return batch;
}

void rounds(World& world, int series, int first, int count) {
  for (int round = first; round < first + count; ++round) {
    world.clock.advance(base::Duration{15'000});
    for (int i = 0; i < series / kPerRequest; ++i) {
      world.store->append(request(i, kStart + round * 15'000, round * 3.5), {});
      if (i % 20 == 19) world.executor.run_ready();  // so that memory shows the store, not a queue
    }
    world.executor.run_ready();
  }
}

void append_steady(benchmark::State& state) {
  World world;
  world.open();
  rounds(world, kSeries, 0, 2);
  int round = 2;
  for (auto _ : state) {
    state.PauseTiming();
    world.clock.advance(base::Duration{15'000});
    std::deque<std::shared_ptr<model::WriteBatch>> batches;
    for (int i = 0; i < kSeries / kPerRequest; ++i) {
      batches.push_back(request(i, kStart + round * 15'000, round * 3.5));
    }
    state.ResumeTiming();
    for (auto& batch : batches) {
      world.store->append(batch, {});
      world.executor.run_ready();  // the worst case: a sync for each request
    }
    ++round;
  }
  state.SetItemsProcessed(state.iterations() * kSeries);
}

void create_series(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    auto world = std::make_unique<World>();
    world->open();
    std::deque<std::shared_ptr<model::WriteBatch>> batches;
    for (int i = 0; i < kSeries / kPerRequest; ++i) batches.push_back(request(i, kStart, 1));
    state.ResumeTiming();
    for (auto& batch : batches) world->store->append(batch, {});
    world->executor.run_ready();
    state.PauseTiming();
    world.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * kSeries);
}

void select_and_read(benchmark::State& state) {
  World world;
  world.open();
  rounds(world, kSeries, 0, 40);
  const std::vector<model::Matcher> matchers{
      model::Matcher::equal("__name__", "node_metric_7_total")};
  const std::int64_t end = kStart + 39 * 15'000;
  std::vector<model::Sample> samples;
  std::int64_t series = 0;
  for (auto _ : state) {
    const auto set = world.store->select(matchers, end - 300'000, end, {});
    for (std::size_t i = 0; i < (*set)->size(); ++i) {
      samples.clear();
      (void)(*set)->samples(i, end - 300'000, end, samples);
      benchmark::DoNotOptimize(samples.data());
      ++series;
    }
  }
  state.SetItemsProcessed(series);
}

void restart(benchmark::State& state) {
  const int series = 500'000;
  World world;
  world.options.checkpoint_wal_bytes = state.range(0) == 0 ? 1ULL << 40 : 16 << 20;
  const double before = static_cast<double>(base::process_resident_bytes());
  world.open();
  rounds(world, series, 0, 20);
  state.counters["MiB"] =
      (static_cast<double>(base::process_resident_bytes()) - before) / (1 << 20);
  for (auto _ : state) {
    state.PauseTiming();
    world.store.reset();
    state.ResumeTiming();
    world.open();
  }
  state.counters["disk_MiB"] = static_cast<double>(world.store->status().wal_bytes +
                                                   world.store->status().checkpoint_bytes) /
                               (1 << 20);
  state.SetItemsProcessed(state.iterations() * series * 20);
}

BENCHMARK(append_steady)->Unit(benchmark::kMillisecond);
BENCHMARK(create_series)->Unit(benchmark::kMillisecond)->Iterations(3);
BENCHMARK(select_and_read)->Unit(benchmark::kMicrosecond);
// 0: only the log; 1: mostly a checkpoint.
BENCHMARK(restart)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->Iterations(2);

}  // namespace
}  // namespace tocsin::tsdb

BENCHMARK_MAIN();
