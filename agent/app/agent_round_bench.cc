// One round of the agent without the network: every host collector, identity labels, encoding, the
// disk queue.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>

#include "agent/collectors/host/host_collectors.h"
#include "agent/sampler/sampler.h"
#include "common/base/sim_executor.h"
#include "common/spool/spool.h"
#include "proto/codec.h"

namespace {

using namespace tocsin;
using namespace tocsin::agent;

void one_agent_round(benchmark::State& state) {
  std::string folder = (std::filesystem::temp_directory_path() / "tocsin-bench-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return state.SkipWithError("no temporary folder");
  const auto files = base::make_real_file_system();
  base::SimClock clock(base::wall_time(1'700'000'000'000));
  base::SimExecutor executor(clock);
  base::Metrics metrics;
  tocsin::spool::SpoolOptions spool_options;
  spool_options.folder = folder;
  tocsin::spool::Spool spool(spool_options, {*files, clock, metrics});
  SamplerOptions options;
  options.identity = {"bench", "bench", {}};
  std::size_t samples = 0;
  std::size_t bytes = 0;
  Sampler sampler(options, {executor, metrics}, [&](model::WriteBatch batch) {
    samples = batch.sample_count();
    std::string body = proto::encode_v2(batch);
    bytes = body.size();
    spool.append(std::move(body), static_cast<std::uint32_t>(samples));
    const auto waiting = spool.peek(100'000, 10);
    spool.acknowledge(waiting.front().sequence, waiting.back().sequence);
  });
  sampler.configure(options, {make_host_collectors(HostSettings{}, {clock, metrics}), {}});
  for (auto _ : state) {
    clock.advance(options.interval);
    sampler.run_once([] {});
  }
  state.counters["samples"] = static_cast<double>(samples);
  state.counters["bytes"] = static_cast<double>(bytes);
  std::filesystem::remove_all(folder);
}

BENCHMARK(one_agent_round)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
