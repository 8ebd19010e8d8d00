// The store with segments: what is asked is the same as if all were in memory.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "alertd/tsdb/wal_files.h"
#include "alertd/tsdb/wal_format.h"
#include "common/base/random.h"
#include "tests/sim/test_store.h"

namespace tocsin::tsdb {
namespace {

using base::Duration;
using model::Labels;
using model::Matcher;
using model::Sample;

Labels host(int number) {
  return Labels{{"__name__", "up"}, {"host", fmt::format("h{:03}", number)}};
}

/// A store that makes many small files.
void use_small_chunks(TestStore& t) {
  t.options.chunk_samples = 10;
  t.options.flush_bytes = 3'000;
  t.options.log_file_bytes = 20'000;
  t.options.checkpoint_wal_bytes = 10'000;
  t.options.merged_bytes_max = 200'000;
}

/// What was acknowledged, by name.
using Model = std::map<std::string, std::map<std::int64_t, double>>;

Contents as_contents(const Model& model, std::int64_t begin, std::int64_t end) {
  Contents all;
  for (const auto& [name, samples] : model) {
    for (auto at = samples.lower_bound(begin); at != samples.end() && at->first <= end; ++at) {
      all[name].push_back({at->first, at->second});
    }
  }
  return all;
}

Contents without_empty(Contents contents) {
  std::erase_if(contents, [](const auto& entry) { return entry.second.empty(); });
  return contents;
}

/// What a prepared selector says about windows must be what select() says.
Contents by_windows(const TestStore& t, std::int64_t begin, std::int64_t end) {
  const std::vector<Matcher> matchers{Matcher::equal("__name__", "up")};
  const auto prepared = t.store->prepare(matchers);
  const auto list = prepared->refresh();
  Contents all;
  REQUIRE(prepared->windows(begin, end, [&](std::size_t i, std::span<const Sample> samples) {
    all[list->labels(i).to_string()].assign(samples.begin(), samples.end());
    return true;
  }));
  std::vector<Sample> newest(list->size());
  REQUIRE(prepared->newest(begin, end, newest));
  for (std::size_t i = 0; i < list->size(); ++i) {
    const auto at = all.find(list->labels(i).to_string());
    if (at == all.end()) {
      CHECK(newest[i].timestamp_ms == model::PreparedSelector::kNoSample);
    } else {
      CHECK(newest[i] == at->second.back());
    }
  }
  return all;
}

TEST_CASE("random writes, restarts and queries: as a model in memory") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    CAPTURE(seed);
    const auto random = base::make_seeded_random(seed);
    TestStore t(seed);
    use_small_chunks(t);
    REQUIRE(t.open());
    Model model;
    std::int64_t now = kNow;
    std::uint64_t most_segments = 0;
    for (int round = 0; round < 500; ++round) {
      t.executor.run_for(Duration{15'000});
      now += 15'000;
      model::WriteBatch batch;
      for (int i = 0; i < 8; ++i) {
        if (i == 6 && round % 200 > 100) continue;  // comes and goes
        if (i == 7 && round > 150) continue;        // ends
        std::int64_t at = now + i;
        // Late within the window, also into what is on disk by now.
        if (random->below(12) == 0) at -= static_cast<std::int64_t>(random->below(500'000));
        const double value = static_cast<double>(random->below(1000)) / 8;
        auto& samples = model[host(i).to_string()];
        const bool newest = samples.empty() || samples.rbegin()->first < at;
        const bool in_window = newest || at >= samples.rbegin()->first - 600'000;
        if (in_window) samples.try_emplace(at, value);
        batch.add(host(i), {at, value});
      }
      REQUIRE(*t.append_batch(std::move(batch)));
      most_segments = std::max(most_segments, t.store->status().segments);
      if (random->below(60) == 0) {
        if (random->below(2) == 0) {
          t.files.crash(sim::Unsynced::Lost, true);
        }
        REQUIRE(t.open());
      }
      if (round % 10 != 0) continue;
      const std::int64_t begin = now - static_cast<std::int64_t>(random->below(8'000'000));
      const std::int64_t end = begin + static_cast<std::int64_t>(random->below(4'000'000));
      REQUIRE(without_empty(t.contents({}, begin, end)) == as_contents(model, begin, end));
      REQUIRE(by_windows(t, begin, end) == as_contents(model, begin, end));
      REQUIRE(by_windows(t, now - 300'000, now) == as_contents(model, now - 300'000, now));
    }
    CHECK(without_empty(t.contents()) == as_contents(model, 0, now + 1000));
    CHECK(most_segments > 3);
    CHECK(t.metric("tocsin_alertd_store_damaged_files_total") == 0);
  }
}

/// Appends one sample a minute for each of some hosts.
void minutes(TestStore& t, int hosts, int first, int count) {
  for (int minute = first; minute < first + count; ++minute) {
    t.executor.run_for(Duration{60'000});
    model::WriteBatch batch;
    for (int i = 0; i < hosts; ++i) batch.add(host(i), {kNow + minute * 60'000, minute + i * 0.1});
    REQUIRE(*t.append_batch(std::move(batch)));
  }
}

TEST_CASE("memory does not grow with history, and the log is short") {
  TestStore t;
  use_small_chunks(t);
  REQUIRE(t.open());
  minutes(t, 20, 0, 100);
  const std::uint64_t early = t.store->status().chunk_bytes;
  minutes(t, 20, 100, 900);
  const StoreStatus status = t.store->status();
  CHECK(status.chunk_bytes < early * 3 / 2 + 3'000);
  CHECK(status.samples_on_disk > 17'000);
  CHECK(status.wal_bytes < 60'000);
  CHECK(t.metric("tocsin_alertd_store_segments_written_total", "merge") > 2);
  CHECK(status.segments < 60);
  CHECK(without_empty(t.contents()).at(host(3).to_string()).size() == 1000);
}

TEST_CASE("retention by time drops whole segments and then series") {
  TestStore t;
  use_small_chunks(t);
  t.options.retention = Duration{4LL * 3'600'000};
  REQUIRE(t.open());
  CHECK(t.appended(host(99), kNow, 1));
  minutes(t, 20, 0, 1000);
  const Contents all = without_empty(t.contents());
  CHECK(!all.contains(host(99).to_string()));
  CHECK(t.store->status().series == 20);
  for (const auto& [name, samples] : all) {
    CHECK(samples.size() >= 240);
    CHECK(samples.size() < 240 + 60);  // an eighth of the retention more
    CHECK(samples.back().timestamp_ms == kNow + 999 * 60'000);
  }
  CHECK(t.metric("tocsin_alertd_store_segments_dropped_total") > 5);
  REQUIRE(t.open());
  CHECK(without_empty(t.contents()) == all);
}

TEST_CASE("retention by bytes drops the oldest segments") {
  TestStore t;
  use_small_chunks(t);
  t.options.retention_bytes = 60'000;
  REQUIRE(t.open());
  for (int i = 0; i < 20'000; ++i) {
    // Values without a pattern: about 8 bytes each, 160 kB in all.
    CHECK(t.appended(host(0), kNow + i * 1000, 1.0 / (i + 3)));
    if (i % 500 == 499) t.executor.run_for(Duration{500'000});
  }
  const StoreStatus status = t.store->status();
  CHECK(status.segment_bytes <= 60'000);
  CHECK(status.segment_bytes > 30'000);
  const auto samples = t.contents().begin()->second;
  CHECK(samples.size() > 3'000);
  CHECK(samples.back().timestamp_ms == kNow + 19'999'000);
}

TEST_CASE("no room for segments: samples are taken up to a bound, and again when there is room") {
  TestStore t;
  use_small_chunks(t);
  t.options.flush_bytes = 2'000;
  t.options.unwritten_bytes_max = 8'000;
  t.options.checkpoint_wal_bytes = 1 << 30;
  REQUIRE(t.open());
  minutes(t, 5, 0, 15);
  int taken = 0;
  int refused = 0;
  for (int minute = 15; minute < 200; ++minute) {
    // Room for the log, none for a segment.
    t.files.set_capacity(t.files.used_bytes() + 500);
    t.executor.run_for(Duration{60'000});
    model::WriteBatch batch;
    for (int i = 0; i < 5; ++i) batch.add(host(i), {kNow + minute * 60'000, 1.0 / (minute + i)});
    t.files.set_capacity(t.files.used_bytes() + 500);
    const auto answer = *t.append_batch(std::move(batch));
    ++(answer ? taken : refused);
    if (!answer) {
      CHECK(answer.error().code == base::ErrorCode::Unavailable);
      CHECK(t.store->status().read_only);
    }
  }
  CHECK(taken > 20);
  CHECK(refused > 20);
  CHECK(t.metric("tocsin_alertd_store_segment_failures_total") > 20);
  t.files.set_capacity(std::numeric_limits<std::uint64_t>::max());
  t.executor.run_for(Duration{120'000});
  CHECK(!t.store->status().read_only);
  CHECK(t.appended(host(0), kNow + 201 * 60'000, 1));
  for (const std::string& name : *t.files.list("/data")) CHECK(!name.ends_with(".tmp"));
}

TEST_CASE("a crash between a segment and the next checkpoint doubles nothing") {
  TestStore t;
  use_small_chunks(t);
  t.options.checkpoint_wal_bytes = 1 << 30;  // never
  REQUIRE(t.open());
  minutes(t, 10, 0, 100);
  const Contents all = t.contents();
  const std::uint64_t on_disk = t.store->status().samples_on_disk;
  CHECK(on_disk > 500);
  for (int round = 0; round < 3; ++round) {
    REQUIRE(t.open());
    CHECK(t.contents() == all);
    t.executor.run_for(Duration{10'000'000});
    CHECK(t.store->status().samples_on_disk < on_disk + 300);
  }
}

TEST_CASE("without checkpoint and log, segments alone give back what they have") {
  TestStore t;
  use_small_chunks(t);
  REQUIRE(t.open());
  minutes(t, 10, 0, 100);
  const Contents all = t.contents();
  t.store.reset();
  for (const std::string& name : *t.files.list("/data")) {
    if (!segment_number(name)) REQUIRE(t.files.remove("/data/" + name));
  }
  REQUIRE(t.open());
  const Contents found = t.contents();
  REQUIRE(found.size() == 10);
  for (const auto& [name, samples] : found) {
    CHECK(samples.size() >= 50);
    CHECK(std::equal(samples.begin(), samples.end(), all.at(name).begin()));
  }
  // And the series go on under their names.
  t.executor.run_for(Duration{100 * 60'000});
  CHECK(t.appended(host(3), kNow + 200 * 60'000, 7));
  CHECK((**t.append(host(3), kNow + 200 * 60'000 - 700'000, 7)).samples_out_of_order == 1);
  REQUIRE(t.open());
  CHECK(t.contents().at(host(3).to_string()).back() == Sample{kNow + 200 * 60'000, 7});
}

TEST_CASE("every byte of the newest segment flipped: put aside, and one record is lost") {
  TestStore good;
  use_small_chunks(good);
  good.options.flush_bytes = 1'500;
  good.options.checkpoint_wal_bytes = 1'000;
  REQUIRE(good.open());
  minutes(good, 6, 0, 45);
  const Contents whole = good.contents();
  good.store.reset();
  const auto names = *good.files.list("/data");
  std::string newest;
  for (const std::string& name : names) {
    if (segment_number(name)) newest = name;
  }
  REQUIRE(!newest.empty());
  const std::string bytes = good.files.content("/data/" + newest);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    CAPTURE(at);
    TestStore t;
    use_small_chunks(t);
    (void)t.files.create_folders("/data");
    for (const std::string& name : names) {
      t.files.set_content("/data/" + name, good.files.content("/data/" + name));
    }
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    t.files.set_content("/data/" + newest, damaged);
    REQUIRE(t.open());
    const Contents found = t.contents();
    REQUIRE(found.size() == whole.size());
    int less = 0;
    for (const auto& [name, samples] : found) {
      const auto& expected = whole.at(name);
      less += samples.size() < expected.size() ? 1 : 0;
      for (const Sample& sample : samples) {
        REQUIRE(std::find(expected.begin(), expected.end(), sample) != expected.end());
      }
    }
    CHECK(less <= 1);
    t.executor.run_for(Duration{180'000});
    CHECK(t.metric("tocsin_alertd_store_damaged_files_total") == 1);
    CHECK(t.files.content("/data/" + newest + ".damaged") == damaged);
    CHECK(!t.files.exists("/data/" + newest));
    CHECK(t.contents() == found);
    REQUIRE(t.open());
    CHECK(t.contents() == found);
    CHECK(t.metric("tocsin_alertd_store_damaged_files_total") == 0);
  }
}

TEST_CASE("a series that stopped leaves memory and is read from disk") {
  TestStore t;
  use_small_chunks(t);
  REQUIRE(t.open());
  minutes(t, 20, 0, 5);
  minutes(t, 2, 5, 300);
  CHECK(t.store->status().chunk_bytes < 6'000);
  CHECK(t.contents().at(host(19).to_string()).size() == 5);
  t.store->request_checkpoint();
  t.executor.run_for(Duration{1000});
  REQUIRE(t.open());
  CHECK(t.contents().at(host(19).to_string()).size() == 5);
  // Its newest sample is still known.
  CHECK((**t.append(host(19), kNow + 4 * 60'000, 4 + 19 * 0.1)).samples_duplicate == 1);
  CHECK((**t.append(host(19), kNow + 3 * 60'000, 9)).samples_conflicting == 1);
  CHECK(t.appended(host(19), kNow + 306 * 60'000, 1));
}

/// A State record as earlier versions wrote it: one sealed chunk, no late ones, one open sample.
std::string old_state(std::uint64_t ref, const Labels& labels, const Chunk& chunk, int ahead_ms) {
  std::string out;
  put_varint(ref, out);
  put_varint(labels.size(), out);
  for (const model::LabelView label : labels) {
    put_text(label.name, out);
    put_text(label.value, out);
  }
  const auto put_chunk = [&](const Chunk& one) {
    put_signed(as_u64(one.first_ms()), out);
    put_varint(as_u64(one.last_ms() - one.first_ms()), out);
    put_varint(one.view().count, out);
    put_text(one.view().bytes, out);
  };
  put_varint(1, out);
  put_chunk(chunk);
  put_varint(0, out);
  put_varint(0, out);
  put_varint(1, out);
  OpenChunk open;
  open.append(chunk.last_ms() + ahead_ms, 5);
  put_chunk(*open.seal());
  return out;
}

TEST_CASE("a store of the earlier version is carried over") {
  TestStore t;
  use_small_chunks(t);
  (void)t.files.create_folders("/data");
  std::string frames;
  std::string payload;
  Contents expected;
  for (int i = 0; i < 30; ++i) {
    OpenChunk chunk;
    for (int k = 0; k < 120; ++k) {
      // Days apart: one segment must not hold all of it until the last of it goes.
      const std::int64_t at = kNow + (i % 3) * 172'800'000LL + k * 15'000;
      chunk.append(at, k / 3.0);
      expected[host(i).to_string()].push_back({at, k / 3.0});
    }
    const ChunkPtr sealed = chunk.seal();
    payload += old_state(static_cast<std::uint64_t>(i + 1), host(i), *sealed, 15'000);
    expected[host(i).to_string()].push_back({sealed->last_ms() + 15'000, 5});
  }
  put_frame(RecordType::State, payload, frames);
  std::string end;
  put_number(30, end);
  put_frame(RecordType::End, end, frames);
  t.files.set_content("/data/" + checkpoint_name(5), frames);
  t.clock.step_wall(Duration{4LL * 86'400'000});
  REQUIRE(t.open());
  CHECK(t.contents() == expected);
  t.executor.run_for(Duration{8'000'000});
  CHECK(t.contents() == expected);
  CHECK(t.store->status().samples_on_disk >= 3600);
  CHECK(t.store->status().segments >= 3);
  t.store->request_checkpoint();
  t.executor.run_for(Duration{1000});
  REQUIRE(t.open());
  CHECK(t.contents() == expected);
}

TEST_CASE("a snapshot is a store of what was acknowledged, and says when it was changed") {
  TestStore t;
  use_small_chunks(t);
  REQUIRE(t.open());
  minutes(t, 10, 0, 150);
  const Contents before = t.contents();
  std::optional<base::Result<SnapshotReport>> made;
  t.store->snapshot_to("/backup", [&](auto result) { made = std::move(result); });
  std::optional<base::Result<SnapshotReport>> second;
  t.store->snapshot_to("/other", [&](auto result) { second = std::move(result); });
  for (int i = 0; i < 300 && !made; ++i) {
    CHECK(t.appended(host(50), kNow + 151 * 60'000 + i, i));
    t.executor.run_for(Duration{1});
  }
  REQUIRE(made);
  REQUIRE(*made);
  REQUIRE(second);
  CHECK(second->error().code == base::ErrorCode::Unavailable);
  const auto verified = Store::verify_snapshot(t.files, "/backup");
  REQUIRE(verified);
  CHECK(verified->files == (*made)->files);
  CHECK(verified->bytes == (*made)->bytes);
  minutes(t, 10, 152, 200);  // segments and logs of the snapshot go from the store

  const std::string some = t.files.list("/backup")->at(1);
  std::string bytes = t.files.content("/backup/" + some);
  const std::string whole = bytes;
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  t.files.set_content("/backup/" + some, bytes);
  const auto flipped = Store::verify_snapshot(t.files, "/backup");
  REQUIRE(!flipped);
  CHECK(flipped.error().code == base::ErrorCode::Corruption);
  CHECK(flipped.error().message.find(some) != std::string::npos);
  t.files.set_content("/backup/" + some, whole);
  t.files.set_content("/backup/more", "x");
  CHECK(!Store::verify_snapshot(t.files, "/backup"));
  REQUIRE(t.files.remove("/backup/more"));
  CHECK(Store::verify_snapshot(t.files, "/other").error().code == base::ErrorCode::NotFound);

  std::optional<base::ErrorCode> refused;
  t.store->snapshot_to("/backup", [&](auto result) { refused = result.error().code; });
  t.executor.run_for(Duration{1000});
  CHECK(refused == base::ErrorCode::InvalidArgument);

  t.options.folder = "/backup";
  REQUIRE(t.open());
  const Contents restored = t.contents();
  for (const auto& [name, samples] : before) CHECK(restored.at(name) == samples);
  CHECK(t.metric("tocsin_alertd_store_damaged_files_total") == 0);
}

TEST_CASE("a snapshot that fails leaves nothing, and the store goes on") {
  for (std::uint64_t at = 1;; ++at) {
    CAPTURE(at);
    TestStore t;
    use_small_chunks(t);
    REQUIRE(t.open());
    minutes(t, 5, 0, 40);
    const Contents before = t.contents();
    std::optional<bool> good;
    t.files.fail_at(at, false);
    t.store->snapshot_to("/backup", [&](const auto& result) { good = result.has_value(); });
    t.executor.run_for(Duration{1000});
    REQUIRE(good);
    t.files.heal();
    CHECK(t.contents() == before);
    if (*good) {
      CHECK(Store::verify_snapshot(t.files, "/backup"));
      break;
    }
    CHECK(!Store::verify_snapshot(t.files, "/backup"));
    t.executor.run_for(Duration{10'000});
    CHECK(t.appended(host(0), kNow + 41 * 60'000, 1));
    REQUIRE(at < 80);
  }
}

}  // namespace
}  // namespace tocsin::tsdb
