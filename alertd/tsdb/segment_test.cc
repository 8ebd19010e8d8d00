// A segment alone: what is written is found; every flipped byte and every cut loses one record.
#include "alertd/tsdb/segment.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "alertd/tsdb/segment_merge.h"
#include "alertd/tsdb/segment_writer.h"
#include "alertd/tsdb/wal_files.h"
#include "common/base/hash.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::tsdb {
namespace {

using model::Labels;
using model::Sample;

constexpr std::int64_t kBegin = 1'700'000'000'000;
constexpr std::int64_t kEver = std::numeric_limits<std::int64_t>::max();

ChunkPtr chunk_of(std::int64_t first_ms, int count, double value) {
  OpenChunk chunk;
  for (int i = 0; i < count; ++i) chunk.append(first_ms + i * 15'000, value + i * 0.5);
  return chunk.seal();
}

struct SegmentWorld {
  sim::SimFileSystem files;
  SegmentWorld() { (void)files.create_folders("/s"); }

  std::string path(std::uint64_t number) const { return "/s/" + segment_name(number); }

  /// Series 1 to `series`, two chunks each.
  void write(std::uint64_t number, int series, std::int64_t start_ms = kBegin) {
    auto writer = SegmentWriter::begin(files, "/s", number);
    REQUIRE(writer);
    for (int i = 1; i <= series; ++i) {
      const SeriesRef ref{static_cast<std::uint64_t>(i)};
      for (int part = 0; part < 2; ++part) {
        const ChunkPtr chunk = chunk_of(start_ms + part * 300'000, 20, i * 1000 + part);
        REQUIRE((*writer)->add(ref, chunk->view(), chunk->last_ms()));
      }
      REQUIRE((*writer)->add_labels(ref, Labels{{"__name__", "up"}, {"id", fmt::format("{}", i)}}));
    }
    REQUIRE((*writer)->finish({}));
  }
  SegmentPtr open(std::uint64_t number) {
    auto segment = Segment::open(files, "/s", number);
    REQUIRE(segment);
    return *segment;
  }
};

std::map<std::uint64_t, std::vector<Sample>> contents(const Segment& segment, int series) {
  std::map<std::uint64_t, std::vector<Sample>> all;
  for (int i = 1; i <= series; ++i) {
    std::vector<StoredChunk> chunks;
    segment.find(SeriesRef{static_cast<std::uint64_t>(i)}, -kEver, kEver, chunks);
    for (const StoredChunk& chunk : chunks) {
      REQUIRE(decode_chunk(chunk.view, -kEver, kEver, all[static_cast<std::uint64_t>(i)]));
    }
  }
  return all;
}

std::map<std::uint64_t, std::string> labels(const Segment& segment) {
  std::map<std::uint64_t, std::string> all;
  segment.visit_series([&](SeriesRef ref, const Labels& one) { all[ref.value] = one.get("id"); });
  return all;
}

TEST_CASE("what is written to a segment is found by series and time") {
  SegmentWorld w;
  w.write(3, 50);
  const SegmentPtr segment = w.open(3);
  CHECK(!segment->damaged());
  CHECK(segment->info().samples == 50 * 40);
  CHECK(segment->info().first_ms == kBegin);
  CHECK(segment->info().last_ms == kBegin + 300'000 + 19 * 15'000);
  const auto all = contents(*segment, 50);
  REQUIRE(all.size() == 50);
  CHECK(all.at(7).size() == 40);
  CHECK(all.at(7).front() == Sample{kBegin, 7000});
  CHECK(all.at(7).back() == Sample{kBegin + 585'000, 7001 + 19 * 0.5});
  CHECK(labels(*segment).size() == 50);
  CHECK(labels(*segment).at(50) == "50");
  std::vector<StoredChunk> chunks;
  segment->find(SeriesRef{7}, kBegin + 290'000, kBegin + 310'000, chunks);
  CHECK(chunks.size() == 1);
  CHECK(segment->has(SeriesRef{7}, kBegin, kBegin));
  CHECK(!segment->has(SeriesRef{7}, kBegin + 900'000, kEver));
  CHECK(!segment->has(SeriesRef{51}, -kEver, kEver));
}

TEST_CASE("a segment of the version before is read, and packed when it is merged") {
  SegmentWorld w;
  std::string file = segment_header(1, kSegmentMagicBefore);
  std::string index;
  IndexEntry entry;
  std::string payload;
  begin_chunks(SeriesRef{1}, payload);
  for (int part = 0; part < 2; ++part) {
    const ChunkPtr chunk = chunk_of(kBegin + part * 300'000, 20, part);
    put_stored_chunk(chunk->view(), chunk->last_ms(), payload);
  }
  entry.ref = 1;
  entry.offset = static_cast<std::uint32_t>(file.size());
  entry.length = static_cast<std::uint32_t>(payload.size());
  entry.last = 585'000;
  put_record(payload, 1, file.size(), file);
  put_raw(entry, index);
  SegmentFooter footer;
  footer.number = 1;
  footer.index_offset = file.size();
  footer.entries = 1;
  footer.first_ms = kBegin;
  footer.last_ms = kBegin + 585'000;
  footer.samples = 40;
  footer.index_check = base::xxh64(index);
  w.files.set_content(w.path(1), file + index + segment_footer(footer, kSegmentMagicBefore));
  const SegmentPtr before = w.open(1);
  CHECK(!before->damaged());
  const auto all = contents(*before, 1);
  REQUIRE(all.at(1).size() == 40);
  CHECK(all.at(1).back() == Sample{kBegin + 585'000, 1 + 19 * 0.5});

  SegmentMerge merge(w.files, "/s", 2, {before});
  for (bool done = false; !done;) {
    const auto step = merge.step();
    REQUIRE(step);
    done = *step;
  }
  const SegmentPtr merged = w.open(2);
  CHECK(contents(*merged, 1) == all);
  CHECK(merged->info().bytes < before->info().bytes);
  CHECK(w.files.content(w.path(2)).starts_with("TSG2"));
}

TEST_CASE("times that are far apart still are found") {
  SegmentWorld w;
  auto writer = SegmentWriter::begin(w.files, "/s", 1);
  REQUIRE(writer);
  const std::int64_t year = 365LL * 86'400'000;
  for (const std::int64_t first : {std::int64_t{0}, kBegin, kBegin + 40 * year}) {
    const ChunkPtr chunk = chunk_of(first, 3, 1);
    REQUIRE((*writer)->add(SeriesRef{1}, chunk->view(), chunk->last_ms()));
    const ChunkPtr other = chunk_of(first, 3, 1);
    REQUIRE((*writer)->add_labels(SeriesRef{1}, Labels{{"__name__", "up"}}));
  }
  REQUIRE((*writer)->finish({}));
  const SegmentPtr segment = w.open(1);
  for (const std::int64_t first : {std::int64_t{0}, kBegin, kBegin + 40 * year}) {
    std::vector<StoredChunk> chunks;
    segment->find(SeriesRef{1}, first, first, chunks);
    CHECK(chunks.size() == 1);
  }
}

TEST_CASE("every byte of a segment flipped: at most one record is lost, and the segment says so") {
  SegmentWorld w;
  constexpr int kSeries = 12;
  w.write(1, kSeries);
  const std::string good = w.files.content(w.path(1));
  const auto whole = contents(*w.open(1), kSeries);
  const auto names = labels(*w.open(1));
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const unsigned mask : {0x01U, 0x80U, 0xffU}) {
      CAPTURE(at);
      std::string bytes = good;
      bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ mask);
      w.files.set_content(w.path(1), bytes);
      const SegmentPtr segment = w.open(1);
      const auto found = contents(*segment, kSeries);
      const auto found_names = labels(*segment);
      CHECK(segment->damaged());
      std::size_t lost = 0;
      for (const auto& [ref, samples] : whole) {
        const auto one = found.find(ref);
        if (one == found.end()) {
          ++lost;
        } else {
          REQUIRE(one->second == samples);
        }
      }
      REQUIRE(found.size() + lost == whole.size());
      REQUIRE(lost + (found_names == names ? 0 : 1) <= 1);
    }
  }
}

TEST_CASE("a segment cut at every byte keeps the records before") {
  SegmentWorld w;
  constexpr int kSeries = 12;
  w.write(1, kSeries);
  const std::string good = w.files.content(w.path(1));
  const auto whole = contents(*w.open(1), kSeries);
  std::size_t most = 0;
  for (std::size_t length = 0; length < good.size(); ++length) {
    CAPTURE(length);
    w.files.set_content(w.path(1), good.substr(0, length));
    const SegmentPtr segment = w.open(1);
    CHECK(segment->damaged());
    const auto found = contents(*segment, kSeries);
    CHECK(found.size() >= most);
    most = found.size();
    for (const auto& [ref, samples] : found) REQUIRE(whole.at(ref) == samples);
  }
  CHECK(most == kSeries);
}

TEST_CASE("segments made one hold what they held, overlapping chunks in order") {
  SegmentWorld w;
  w.write(1, 10);
  w.write(2, 12, kBegin + 600'000);
  w.write(3, 10, kBegin + 7'000);  // between the samples of the first
  std::vector<SegmentPtr> inputs{w.open(3), w.open(1), w.open(2)};
  SegmentMerge merge(w.files, "/s", 9, inputs);
  for (;;) {
    const auto done = merge.step();
    REQUIRE(done);
    if (*done) break;
  }
  REQUIRE(merge.wrote());
  const SegmentPtr merged = w.open(9);
  CHECK(merged->info().replaces == std::vector<std::uint64_t>{1, 2, 3});
  CHECK(merged->info().samples == 32 * 40);
  CHECK(labels(*merged).size() == 12);
  const auto all = contents(*merged, 12);
  CHECK(all.at(11).size() == 40);
  REQUIRE(all.at(5).size() == 120);
  for (std::size_t i = 1; i < 120; ++i) {
    CHECK(all.at(5)[i - 1].timestamp_ms < all.at(5)[i].timestamp_ms);
  }
}

TEST_CASE("a failure at every operation of writing a segment leaves no file") {
  for (std::uint64_t at = 1;; ++at) {
    SegmentWorld w;
    const ChunkPtr chunk = chunk_of(kBegin, 20, 1);
    w.files.fail_at(at, false);
    const auto write = [&]() -> base::Result<void> {
      TC_TRY(const auto writer, SegmentWriter::begin(w.files, "/s", 1));
      TC_TRY(writer->add(SeriesRef{1}, chunk->view(), chunk->last_ms()));
      return writer->finish({});
    };
    const auto written = write();
    if (written) break;
    REQUIRE(at < 20);
    CHECK(w.files.list("/s")->empty());
  }
}

}  // namespace
}  // namespace tocsin::tsdb
