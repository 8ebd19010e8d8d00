// The packed code against the Gorilla code, which has its own tests: whatever goes in comes out bit
// by bit, over every window, from every place.
#include "alertd/tsdb/packed_chunk.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "alertd/tsdb/read_chunk.h"
#include "alertd/tsdb/segment_format.h"
#include "common/base/random.h"

namespace tocsin::tsdb {
namespace {

using model::Sample;

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kStart = 1'700'000'000'000;

OpenChunk chunk_of(const std::vector<Sample>& samples) {
  OpenChunk chunk;
  for (const Sample& sample : samples) chunk.append(sample.timestamp_ms, sample.value);
  return chunk;
}

bool same(const Sample& a, const Sample& b) {
  return a.timestamp_ms == b.timestamp_ms &&
         std::bit_cast<std::uint64_t>(a.value) == std::bit_cast<std::uint64_t>(b.value);
}

bool holds(const ChunkView& view, const std::vector<Sample>& samples, std::int64_t begin_ms,
           std::int64_t end_ms) {
  std::vector<Sample> out;
  if (!decode_chunk(view, begin_ms, end_ms, out)) return false;
  std::vector<Sample> wanted;
  for (const Sample& sample : samples) {
    if (sample.timestamp_ms >= begin_ms && sample.timestamp_ms <= end_ms) wanted.push_back(sample);
  }
  return std::equal(out.begin(), out.end(), wanted.begin(), wanted.end(), same);
}

/// Packs, reads all back, and returns whether the chunk was packed.
bool round_trip(const std::vector<Sample>& samples) {
  const OpenChunk open = chunk_of(samples);
  ChunkPacker packer;
  const ChunkView view = packer.pack(open.view());
  REQUIRE(view.bytes.size() <= open.view().bytes.size());
  REQUIRE(view.count == samples.size());
  REQUIRE(holds(view, samples, kMin, kMax));
  // Twice gives the same bytes, whatever was packed before.
  const std::string bytes(view.bytes);
  (void)packer.pack(chunk_of({{1, 5}, {2, 7}, {9, 1e9}, {10, 3}}).view());
  REQUIRE(packer.pack(open.view()).bytes == bytes);
  return packer.pack(open.view()).code == ChunkCode::Packed;
}

/// As round_trip, and every window and every place in it.
bool all_windows(const std::vector<Sample>& samples) {
  const bool packed = round_trip(samples);
  const OpenChunk open = chunk_of(samples);
  ChunkPacker packer;
  const ChunkView view = packer.pack(open.view());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const std::int64_t begin = samples[i].timestamp_ms;
    ChunkPlace place;
    read_chunk(view, nullptr, [&](auto& reader) {
      REQUIRE(reader.seek(begin));
      place = reader.place(view);
    });
    CHECK(!place.in(open.view()) == packed);  // not in the same chunk in the other code
    for (std::size_t j = i; j < samples.size(); ++j) {
      const std::int64_t end = samples[j].timestamp_ms;
      REQUIRE(holds(view, samples, begin, end));
      REQUIRE(holds(view, samples, begin - 1, end + 1));
      std::size_t at = i;
      const bool good = read_chunk(view, &place, [&](auto& reader) {
        return reader.read_to(end, [&](std::int64_t time, std::uint64_t bits) {
          REQUIRE(same({time, std::bit_cast<double>(bits)}, samples[at++]));
        });
      });
      REQUIRE(good);
      REQUIRE(at == j + 1);
    }
  }
  return packed;
}

std::vector<Sample> regular(unsigned count, const std::function<double(unsigned)>& value) {
  std::vector<Sample> samples;
  for (unsigned i = 0; i < count; ++i) samples.push_back({kStart + i * 15'000LL, value(i)});
  return samples;
}

TEST_CASE("counters, gauges, decimals and constants are packed and come back") {
  const auto random = base::make_seeded_random(1);
  double counter = 123'456'789;
  CHECK(all_windows(regular(
      120, [&](unsigned) { return counter += static_cast<double>(random->below(2'000)); })));
  CHECK(all_windows(
      regular(120, [&](unsigned) { return 4'000 + static_cast<double>(random->below(200)); })));
  double hundredths = 1'000'000;
  CHECK(all_windows(regular(120, [&](unsigned) {
    return (hundredths += 1'400 + static_cast<double>(random->below(100))) / 100;
  })));
  CHECK(all_windows(regular(120, [](unsigned) { return 42; })));
  CHECK(all_windows(regular(120, [](unsigned i) { return -1.0 - i; })));
  CHECK(all_windows(regular(120, [](unsigned i) { return i < 60 ? 1e6 + i : i - 60.0; })));
  CHECK(all_windows(regular(120, [](unsigned i) { return i % 40 == 7 ? 1e15 : 3; })));
}

TEST_CASE("irregular times, gaps and steps of days") {
  const auto random = base::make_seeded_random(2);
  for (const std::uint64_t jitter : {1U, 3U, 20U, 5'000U}) {
    std::vector<Sample> samples;
    std::int64_t at = kStart;
    for (int i = 0; i < 120; ++i) {
      samples.push_back({at, static_cast<double>(i / 7)});
      at += 15'000 + static_cast<std::int64_t>(random->below(jitter));
      if (i % 50 == 13) at += 86'400'000;
    }
    CHECK(all_windows(samples));
  }
}

TEST_CASE("what a decimal cannot say keeps the other code") {
  const double inf = std::numeric_limits<double>::infinity();
  for (const double special : {-0.0, std::nan(""), model::stale_marker(), inf, -inf, 1.0 / 3,
                               std::numeric_limits<double>::denorm_min(),
                               std::numeric_limits<double>::max(), 9007199254740992.0}) {
    for (const unsigned where : {0U, 1U, 60U, 119U}) {
      CAPTURE(special);
      CHECK(!round_trip(regular(120, [&](unsigned i) { return i == where ? special : i * 17.0; })));
    }
  }
  CHECK(!round_trip({{kMin, 1}, {-1, 2}, {kMax - 1, 3}, {kMax, 4}}));
}

TEST_CASE("the largest numbers and steps") {
  const double most = 9007199254740991.0;
  CHECK(all_windows(regular(120, [&](unsigned i) { return i % 30 == 1 ? most : -1.0 - i; })));
  (void)all_windows(regular(120, [&](unsigned i) { return i % 2 == 0 ? most : -most; }));
  (void)all_windows(regular(9, [&](unsigned i) { return i % 2 == 0 ? most : 0.5; }));
  std::vector<Sample> far{{-(1LL << 48), 1}, {0, 2}, {1LL << 48, 3}};
  (void)all_windows(far);
}

TEST_CASE("every sequence of a few values and steps") {
  const std::vector<double> values{
      0, -0.0, 1, -1, 0.1, 0.25, 1e6, 9007199254740991.0, model::stale_marker(), 1e-12};
  const std::vector<std::int64_t> steps{1, 15'000, 1'000'000'007};
  std::size_t packed = 0;
  for (unsigned code = 0; code < 10 * 10 * 10 * 10 * 9; ++code) {
    unsigned rest = code;
    std::vector<Sample> samples;
    std::int64_t at = kStart;
    for (int i = 0; i < 4; ++i) {
      samples.push_back({at, values[rest % 10]});
      rest /= 10;
      at += steps[(code / 10'000 / (i % 2 == 0 ? 1 : 3)) % 3];
    }
    packed += round_trip(samples) ? 1 : 0;
  }
  CHECK(packed > 1'000);
}

TEST_CASE("random chunks of every width") {
  const auto random = base::make_seeded_random(3);
  std::size_t packed = 0;
  for (int round = 0; round < 20'000; ++round) {
    const std::uint64_t range = 1ULL << random->below(53);
    const std::uint64_t jitter = 1ULL << random->below(30);
    const std::uint64_t rare = random->below(60);
    const double scale = kPowersOfTen[random->below(5)];
    const bool walks = random->below(2) == 0;
    std::vector<Sample> samples;
    std::int64_t at = kStart - static_cast<std::int64_t>(random->below(1ULL << 42));
    std::int64_t number = 0;
    for (std::uint64_t i = 1 + random->below(kChunkSamplesMax); i > 0; --i) {
      const auto drawn = static_cast<std::int64_t>(random->below(range));
      number = walks ? number + drawn - static_cast<std::int64_t>(range / 3) : drawn;
      const bool leaps = rare > 0 && random->below(rare) == 0;
      if (leaps && std::abs(number) < std::int64_t{1} << 52U) number = -number * 1000;
      samples.push_back({at, static_cast<double>(number) / scale});
      at += 1 + static_cast<std::int64_t>(random->below(jitter));
    }
    packed += round_trip(samples) ? 1 : 0;
  }
  CHECK(packed > 10'000);
}

TEST_CASE("sizes: a constant, a clock, a counter of random steps") {
  ChunkPacker packer;
  const auto size = [&](const std::function<double(unsigned)>& value) {
    return packer.pack(chunk_of(regular(120, value)).view()).bytes.size();
  };
  CHECK(size([](unsigned) { return 42; }) == 8);
  CHECK(size([](unsigned i) { return i * 15.0; }) == 8);
  // Steps below 2,000 need 11 bits: 119 of them are 164 bytes.
  const auto random = base::make_seeded_random(4);
  double counter = 0;
  CHECK(size([&](unsigned) { return counter += static_cast<double>(random->below(2'000)); }) < 174);
}

TEST_CASE("records hold chunks of both codes; those of a later version are damage") {
  ChunkPacker packer;
  const OpenChunk open = chunk_of(regular(120, [](unsigned i) { return i * 3.0; }));
  const ChunkView packed = packer.pack(open.view());
  REQUIRE(packed.code == ChunkCode::Packed);
  std::string payload;
  begin_chunks(SeriesRef{7}, payload);
  put_stored_chunk(open.view(), open.last_ms(), payload);
  put_stored_chunk(packed, open.last_ms(), payload);
  RecordReader reader(payload);
  StoredChunk chunk;
  REQUIRE(reader.next(chunk));
  CHECK(chunk.view.code == ChunkCode::Gorilla);
  CHECK(chunk.view.bytes == open.view().bytes);
  REQUIRE(reader.next(chunk));
  CHECK(chunk.view.code == ChunkCode::Packed);
  CHECK(chunk.view.bytes == packed.bytes);
  CHECK(!reader.next(chunk));
  CHECK(reader.ok());
  begin_chunks(SeriesRef{7}, payload = "");
  put_stored_chunk({0, 1, "x", static_cast<ChunkCode>(2)}, 0, payload);
  RecordReader later(payload);
  CHECK(!later.next(chunk));
  CHECK(!later.ok());
}

TEST_CASE("damaged bytes end in false or other samples, never outside the buffer") {
  const auto random = base::make_seeded_random(5);
  const OpenChunk open = chunk_of(regular(120, [&](unsigned i) {
    return static_cast<double>(random->below(300)) + (i % 30 == 4 ? 1e9 : 0);
  }));
  ChunkPacker packer;
  const std::string good(packer.pack(open.view()).bytes);
  bool refused = false;
  const auto read = [&](std::string_view damaged) {
    // Exactly as large as promised, so that the address sanitizer sees every byte too many.
    auto bytes = std::make_unique<char[]>(damaged.size() + kChunkPadding);
    std::memcpy(bytes.get(), damaged.data(), damaged.size());
    const ChunkView view{kStart, 120, {bytes.get(), damaged.size()}, ChunkCode::Packed};
    for (const std::int64_t begin : {kMin, kStart + 700'000, kMax}) {
      std::vector<Sample> out;
      refused = !decode_chunk(view, begin, kMax, out) || refused;
      REQUIRE(out.size() <= 120);
      for (std::size_t i = 1; i < out.size(); ++i) {
        REQUIRE(out[i - 1].timestamp_ms < out[i].timestamp_ms);
      }
    }
  };
  for (std::size_t length = 0; length < good.size(); ++length) read(good.substr(0, length));
  CHECK(refused);
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (int value = 0; value < 256; value += at < 16 ? 1 : 51) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(value);
      read(bytes);
    }
  }
}

}  // namespace
}  // namespace tocsin::tsdb
