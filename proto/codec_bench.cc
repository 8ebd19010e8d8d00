#include <benchmark/benchmark.h>
#include <fmt/core.h>

#include "proto/codec.h"

namespace tocsin::proto {
namespace {

model::WriteBatch node_like(int series) {
  model::WriteBatch batch;
  for (int i = 0; i < series; ++i) {
    const std::string cpu = fmt::format("{}", i / 8);
    const std::string mode = fmt::format("mode{}", i % 8);
    batch.add(model::Labels{{"__name__", "node_cpu_seconds_total"},
                            {"cpu", cpu},
                            {"host", "web-0123.example.net"},
                            {"instance", "web-0123.example.net:9100"},
                            {"job", "node"},
                            {"mode", mode}},
              {1'700'000'000'000, 12345.5 + i});
  }
  return batch;
}

void decode_bench(benchmark::State& state, Version version) {
  const model::WriteBatch batch = node_like(500);
  const std::string body = version == Version::V1 ? encode_v1(batch) : encode_v2(batch);
  for (auto _ : state) {
    auto decoded = decode(version, body, {});
    benchmark::DoNotOptimize(decoded);
  }
  state.SetItemsProcessed(state.iterations() * 500);
}

void encode_bench(benchmark::State& state, Version version) {
  const model::WriteBatch batch = node_like(500);
  for (auto _ : state) {
    std::string body = version == Version::V1 ? encode_v1(batch) : encode_v2(batch);
    benchmark::DoNotOptimize(body);
  }
  state.SetItemsProcessed(state.iterations() * 500);
}

BENCHMARK_CAPTURE(decode_bench, v1, Version::V1);
BENCHMARK_CAPTURE(decode_bench, v2, Version::V2);
BENCHMARK_CAPTURE(encode_bench, v1, Version::V1);
BENCHMARK_CAPTURE(encode_bench, v2, Version::V2);

}  // namespace
}  // namespace tocsin::proto

BENCHMARK_MAIN();
