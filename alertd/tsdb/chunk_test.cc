#include "alertd/tsdb/chunk.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "common/base/random.h"

namespace tocsin::tsdb {
namespace {

using model::Sample;

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

void require_round_trip(const std::vector<Sample>& samples) {
  OpenChunk chunk;
  for (const Sample& sample : samples) chunk.append(sample.timestamp_ms, sample.value);
  CHECK(chunk.view().bytes.size() <= kChunkBytesMax);
  const auto check = [&](const ChunkView& view) {
    std::vector<Sample> out;
    REQUIRE(decode_chunk(view, kMin, kMax, out));
    REQUIRE(out.size() == samples.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
      CHECK(out[i].timestamp_ms == samples[i].timestamp_ms);
      CHECK(std::bit_cast<std::uint64_t>(out[i].value) ==
            std::bit_cast<std::uint64_t>(samples[i].value));
    }
  };
  check(chunk.view());
  const ChunkPtr sealed = chunk.seal();
  check(sealed->view());
  CHECK(sealed->last_ms() == samples.back().timestamp_ms);
  CHECK(chunk.empty());
}

TEST_CASE("special values survive bit by bit") {
  require_round_trip({{1000, 0.0},
                      {2000, -0.0},
                      {3000, std::nan("")},
                      {3001, model::stale_marker()},
                      {3002, model::stale_marker()},
                      {9000, std::numeric_limits<double>::infinity()},
                      {9001, std::numeric_limits<double>::denorm_min()},
                      {9002, std::numeric_limits<double>::max()},
                      {9003, 1e-300}});
}

TEST_CASE("steps of time at the borders of every bucket") {
  std::vector<Sample> samples{{0, 1}};
  std::int64_t delta = 5'000'000'000;
  for (const std::int64_t step : {0L, 63L, -64L, 64L, -65L, 2047L, -2048L, 2048L, -2049L, 524287L,
                                  -524288L, 524288L, -524289L, 1L << 33}) {
    delta += step;
    samples.push_back({samples.back().timestamp_ms + delta, 1});
  }
  require_round_trip(samples);
  require_round_trip({{kMin, 1}, {-1, 2}, {kMax - 1, 3}, {kMax, 4}});
}

TEST_CASE("random full chunks") {
  const auto random = base::make_seeded_random(7);
  for (int round = 0; round < 300; ++round) {
    std::vector<Sample> samples;
    std::int64_t timestamp = static_cast<std::int64_t>(random->below(1'000'000'000));
    std::uint64_t bits = random->next();
    for (unsigned i = 0; i < kChunkSamplesMax; ++i) {
      samples.push_back({timestamp, std::bit_cast<double>(bits)});
      timestamp += 1 + static_cast<std::int64_t>(random->below(1ULL << random->below(40)));
      if (random->below(3) != 0) bits ^= random->next() >> random->below(64);
    }
    require_round_trip(samples);
  }
}

TEST_CASE("a regular series is small") {
  // 120 samples, 15 s apart: first sample 64 bits of value; second: 4 + 20 bits for the step of
  // 15,000 (beyond 12 bits), 1 bit for the value; the other 118: one bit each for time and value.
  OpenChunk chunk;
  for (int i = 0; i < 120; ++i) chunk.append(1'700'000'000'000 + i * 15'000, 42);
  CHECK(chunk.view().bytes.size() == (64 + 25 + 118 * 2 + 7) / 8);
}

TEST_CASE("only the asked range is decoded") {
  OpenChunk chunk;
  for (int i = 0; i < 10; ++i) chunk.append(i * 10, i);
  std::vector<Sample> out;
  REQUIRE(decode_chunk(chunk.view(), 20, 40, out));
  CHECK(out == std::vector<Sample>{{20, 2}, {30, 3}, {40, 4}});
  REQUIRE(decode_chunk(chunk.view(), 91, 1000, out));
  CHECK(out.size() == 3);
}

TEST_CASE("damaged bytes end in false or other samples, never outside the buffer") {
  const auto random = base::make_seeded_random(3);
  OpenChunk chunk;
  for (int i = 0; i < 120; ++i) {
    chunk.append(i * 1000 + static_cast<int>(random->below(900)), random->unit());
  }
  const std::string good(chunk.view().bytes);
  bool refused = false;
  for (std::size_t length = 0; length < good.size(); ++length) {
    // Exactly as large as promised, so that the address sanitizer sees every byte too many.
    auto bytes = std::make_unique<char[]>(length + kChunkPadding);
    std::memcpy(bytes.get(), good.data(), length);
    std::vector<Sample> out;
    refused = !decode_chunk({0, 120, {bytes.get(), length}}, kMin, kMax, out) || refused;
    CHECK(out.size() <= 120);
  }
  CHECK(refused);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = good + std::string(kChunkPadding, '\0');
    bytes[random->below(good.size())] ^= static_cast<char>(1U << random->below(8));
    std::vector<Sample> out;
    (void)decode_chunk({0, 120, std::string_view(bytes).substr(0, good.size())}, kMin, kMax, out);
    for (std::size_t i = 1; i < out.size(); ++i) {
      CHECK(out[i - 1].timestamp_ms < out[i].timestamp_ms);
    }
  }
}

}  // namespace
}  // namespace tocsin::tsdb
