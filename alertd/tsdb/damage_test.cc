// Damaged files: flipped bytes, cut ends, holes in the middle.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include <algorithm>

#include "alertd/tsdb/frame_reader.h"
#include "alertd/tsdb/wal_files.h"
#include "alertd/tsdb/wal_format.h"
#include "tests/sim/test_store.h"

namespace tocsin::tsdb {
namespace {

using model::Labels;

Labels up(int host) {
  return Labels{{"__name__", "up"}, {"host", fmt::format("h{}", host)}};
}

/// Five acknowledged batches in one log file.
void fill(TestStore& t) {
  REQUIRE(t.open());
  for (int i = 0; i < 5; ++i) REQUIRE(t.appended(up(i), kNow + i, i + 0.25));
  t.store.reset();
}

/// Whether `part` has only samples that `whole` has.
bool is_subset(const Contents& part, const Contents& whole) {
  return std::all_of(part.begin(), part.end(), [&](const auto& entry) {
    const auto at = whole.find(entry.first);
    return at != whole.end() && at->second == entry.second;
  });
}

const std::string kFirst = "/data/" + log_name(1);

TEST_CASE("the last log file cut at every byte keeps the whole records before") {
  TestStore good;
  fill(good);
  const std::string bytes = good.files.content(kFirst);
  REQUIRE(good.open());
  const Contents whole = good.contents();
  std::size_t most = 0;
  for (std::size_t length = 0; length <= bytes.size(); ++length) {
    CAPTURE(length);
    TestStore t;
    (void)t.files.create_folders("/data");
    t.files.set_content(kFirst, bytes.substr(0, length));
    REQUIRE(t.open());
    const Contents found = t.contents();
    CHECK(is_subset(found, whole));
    CHECK(found.size() >= most);  // a longer file never holds less
    most = found.size();
    CHECK(t.metric("tocsin_alertd_store_damaged_files_total") == 0);
    // What was torn is cut off: the second start finds nothing to complain about.
    CHECK(t.appended(up(9), kNow, 9));
    REQUIRE(t.open());
    CHECK(t.contents().size() == most + 1);
    CHECK(t.metric("tocsin_alertd_store_torn_bytes_total") == 0);
  }
  CHECK(most == 5);
}

/// A frame of a log file, and what it has of samples.
struct LoggedFrame {
  std::size_t begin = 0;
  std::size_t end = 0;
  Contents samples;
};

/// Takes a good log file apart.
class Frames final : public RecordVisitor {
 public:
  explicit Frames(std::string_view bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
      const auto header = read_frame_header(bytes.substr(at));
      REQUIRE(header);
      const std::string_view payload = bytes.substr(at + kFrameHeaderBytes, header->length);
      REQUIRE(frame_matches(*header, payload));
      all.push_back({at, at + kFrameHeaderBytes + payload.size(), {}});
      REQUIRE(parse_payload(header->type, payload, *this));
      at = all.back().end;
    }
  }
  void on_series(SeriesRef ref, Labels labels) override { names_[ref.value] = labels.to_string(); }
  void on_sample(SeriesRef ref, const model::Sample& sample) override {
    all.back().samples[names_.at(ref.value)].push_back(sample);
  }
  void on_state(Series) override {}
  void on_begin(std::uint64_t) override {}
  void on_end(std::uint64_t) override {}

  /// The samples of the frames for which that holds.
  template <class Good>
  Contents of(Good good) const {
    Contents contents;
    for (const LoggedFrame& frame : all) {
      if (!good(frame)) continue;
      for (const auto& [name, samples] : frame.samples) {
        auto& to = contents[name];
        to.insert(to.end(), samples.begin(), samples.end());
      }
    }
    return contents;
  }

  std::vector<LoggedFrame> all;

 private:
  std::map<std::uint64_t, std::string> names_;
};

/// Six batches: new series, known ones, both.
void fill_mixed(TestStore& t) {
  REQUIRE(t.open());
  for (int round = 0; round < 6; ++round) {
    model::WriteBatch batch;
    for (int host = round / 3; host <= round / 2; ++host) batch.add(up(host), {kNow + round, 1});
    REQUIRE(t.append_batch(std::move(batch)));
  }
  t.store.reset();
}

TEST_CASE("every byte of the log flipped: only the samples of the frame hit are missing") {
  TestStore good;
  fill_mixed(good);
  const std::string bytes = good.files.content(kFirst);
  const Frames frames(bytes);
  REQUIRE(frames.all.size() == 12);  // three groups had new series, twice
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const unsigned mask : {0x01U, 0x80U, 0xffU}) {
      CAPTURE(at);
      TestStore t;
      (void)t.files.create_folders("/data");
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(static_cast<unsigned char>(damaged[at]) ^ mask);
      t.files.set_content(kFirst, damaged);
      REQUIRE(t.open());
      const Contents found = t.contents();
      REQUIRE(found == frames.of([&](const LoggedFrame& frame) {
        return at < frame.begin || at >= frame.end;
      }));
      const double files = t.metric("tocsin_alertd_store_damaged_files_total");
      const double torn = t.metric("tocsin_alertd_store_torn_bytes_total");
      CHECK((files == 1) != (torn > 0));
      CHECK(t.metric("tocsin_alertd_store_samples_lost_total") == 0);
      if (files == 1) {
        CHECK(t.metric("tocsin_alertd_store_damaged_bytes_total") > 0);
        CHECK(t.files.content(kFirst + ".damaged") == damaged);  // kept for whoever wants to look
        CHECK(!t.files.exists(kFirst));
      }
      REQUIRE(t.open());
      REQUIRE(t.contents() == found);
      CHECK(t.metric("tocsin_alertd_store_damaged_files_total") == 0);
    }
  }
}

TEST_CASE("the log cut at every byte: only the samples of frames that are not whole are missing") {
  TestStore good;
  fill_mixed(good);
  const std::string bytes = good.files.content(kFirst);
  const Frames frames(bytes);
  for (const bool last : {true, false}) {
    for (std::size_t length = 0; length <= bytes.size(); ++length) {
      CAPTURE(length);
      TestStore t;
      (void)t.files.create_folders("/data");
      t.files.set_content(kFirst, bytes.substr(0, length));
      if (!last) t.files.set_content("/data/" + log_name(2), "");
      REQUIRE(t.open());
      REQUIRE(t.contents() ==
              frames.of([&](const LoggedFrame& frame) { return frame.end <= length; }));
    }
  }
}

TEST_CASE("every block of the log lost: only the samples of the frames in it are missing") {
  constexpr std::size_t kBlock = 4096;
  TestStore good;
  REQUIRE(good.open());
  for (int round = 0; round < 900; ++round) {
    model::WriteBatch batch;
    for (int host = 0; host <= round / 18; ++host) batch.add(up(host), {kNow + round, round * 0.5});
    REQUIRE(good.append_batch(std::move(batch)));
  }
  good.store.reset();
  const std::string bytes = good.files.content(kFirst);
  REQUIRE(bytes.size() > 60 * kBlock);
  const Frames frames(bytes);
  // The last series are not old enough for their third copy.
  const std::size_t settled = bytes.size() - 160 * 1024;
  for (std::size_t begin = 0; begin < settled; begin += kBlock / 2) {
    CAPTURE(begin);
    TestStore t;
    (void)t.files.create_folders("/data");
    std::string damaged = bytes;
    std::fill_n(damaged.begin() + static_cast<std::ptrdiff_t>(begin), kBlock, '\0');
    t.files.set_content(kFirst, damaged);
    REQUIRE(t.open());
    REQUIRE(t.contents() == frames.of([&](const LoggedFrame& frame) {
      return frame.end <= begin || frame.begin >= begin + kBlock;
    }));
  }
}

TEST_CASE("labels that come only after their samples: all of them, in order, and no other series") {
  std::string log;
  const auto add_samples = [&](std::uint64_t ref, std::int64_t first_ms) {
    std::string payload;
    SamplesWriter writer;
    const std::vector<model::Sample> samples{{first_ms, 1}, {first_ms + 1, 2}};
    writer.add(SeriesRef{ref}, samples, payload);
    put_frame(RecordType::Samples, payload, log);
  };
  const auto add_series = [&](std::uint64_t ref, int host) {
    std::string payload;
    put_series(SeriesRef{ref}, up(host), payload);
    put_frame(RecordType::Series, payload, log);
  };
  add_samples(7, kNow);
  add_samples(8, kNow);
  add_samples(7, kNow + 10);
  add_series(7, 0);
  add_samples(7, kNow + 20);
  add_series(7, 0);
  TestStore t;
  (void)t.files.create_folders("/data");
  t.files.set_content(kFirst, log);
  REQUIRE(t.open());
  const Contents found = t.contents();
  REQUIRE(found.size() == 1);
  CHECK(found.at("up{host=\"h0\"}").size() == 6);
  CHECK(t.metric("tocsin_alertd_store_samples_lost_total") == 2);  // of 8, whoever that was
  // Nobody gets the ref of samples that are still in the log.
  CHECK(t.appended(up(1), kNow + 30, 5));
  REQUIRE(t.open());
  CHECK(t.contents().at("up{host=\"h1\"}").size() == 1);
}

TEST_CASE("a hole in an older segment loses that segment's records only") {
  TestStore t;
  t.options.log_file_bytes = 100;  // about one record each
  fill(t);
  std::string bytes = t.files.content("/data/" + log_name(2));
  REQUIRE(!bytes.empty());
  std::fill(bytes.begin(), bytes.end(), '\0');
  t.files.set_content("/data/" + log_name(2), bytes);
  REQUIRE(t.open());
  CHECK(t.contents().size() == 4);
  CHECK(t.files.exists("/data/" + log_name(2) + ".damaged"));
}

TEST_CASE("samples whose series is in the hole are counted, not given to another series") {
  TestStore t;
  t.options.log_file_bytes = 100;
  REQUIRE(t.open());
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 3; ++i) REQUIRE(t.appended(up(i), kNow + round, i));
  }
  t.store.reset();
  t.files.set_content(kFirst, "");  // where series 0 was made
  REQUIRE(t.open());
  const Contents found = t.contents();
  CHECK(!found.contains("up{host=\"h0\"}"));
  CHECK(found.at("up{host=\"h1\"}").size() == 3);
  CHECK(t.metric("tocsin_alertd_store_samples_lost_total") == 2);
}

TEST_CASE("a damaged checkpoint gives what can be read") {
  TestStore t;
  REQUIRE(t.open());
  for (int i = 0; i < 5; ++i) REQUIRE(t.appended(up(i), kNow + i, i));
  t.store->request_checkpoint();
  t.executor.run_for(base::Duration{1000});
  for (int i = 5; i < 8; ++i) REQUIRE(t.appended(up(i), kNow + i, i));
  t.store.reset();
  const auto names = *t.files.list("/data");
  const auto at = std::find_if(names.begin(), names.end(), [](const std::string& n) {
    return checkpoint_number(n).has_value();
  });
  REQUIRE(at != names.end());
  const std::string path = "/data/" + *at;
  const std::string bytes = t.files.content(path);
  for (std::size_t cut = 0; cut < bytes.size(); cut += 7) {
    CAPTURE(cut);
    TestStore u;
    (void)u.files.create_folders("/data");
    for (const std::string& name : names) {
      u.files.set_content("/data/" + name, t.files.content("/data/" + name));
    }
    u.files.set_content(path, bytes.substr(0, cut));
    REQUIRE(u.open());
    CHECK(u.contents().size() >= 3);  // the segments after it
    CHECK(u.metric("tocsin_alertd_store_damaged_files_total") == 1);
    CHECK(u.files.exists(path + ".damaged"));
    CHECK(u.appended(up(9), kNow, 1));
    REQUIRE(u.open());
    CHECK(u.metric("tocsin_alertd_store_damaged_files_total") == 0);
  }
}

TEST_CASE("every byte of a checkpoint flipped: what came after it is there") {
  TestStore good;
  REQUIRE(good.open());
  for (int i = 0; i < 5; ++i) REQUIRE(good.appended(up(i), kNow, i));
  good.store->request_checkpoint();
  good.executor.run_for(base::Duration{1000});
  Contents after;
  for (int i = 0; i < 5; ++i) {
    REQUIRE(good.appended(up(i), kNow + 1000, i));
    after[up(i).to_string()] = {{kNow + 1000, static_cast<double>(i)}};
  }
  good.store.reset();
  const auto names = *good.files.list("/data");
  for (const std::string& name : names) {
    const std::string bytes = good.files.content("/data/" + name);
    for (std::size_t at = 0; checkpoint_number(name) && at < bytes.size(); ++at) {
      CAPTURE(at);
      TestStore t;
      (void)t.files.create_folders("/data");
      for (const std::string& other : names) {
        t.files.set_content("/data/" + other, good.files.content("/data/" + other));
      }
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
      t.files.set_content("/data/" + name, damaged);
      REQUIRE(t.open());
      REQUIRE(t.contents({}, kNow + 1000) == after);
      CHECK(t.metric("tocsin_alertd_store_damaged_files_total") == 1);
      CHECK(t.metric("tocsin_alertd_store_samples_lost_total") == 0);
    }
  }
}

TEST_CASE("foreign and unfinished files do not disturb") {
  TestStore t;
  fill(t);
  t.files.set_content("/data/notes.txt", "mine");
  t.files.set_content("/data/" + checkpoint_name(9) + ".tmp", "half");
  REQUIRE(t.open());
  CHECK(t.contents().size() == 5);
  CHECK(t.files.exists("/data/notes.txt"));
  CHECK(!t.files.exists("/data/" + checkpoint_name(9) + ".tmp"));
}

}  // namespace
}  // namespace tocsin::tsdb
