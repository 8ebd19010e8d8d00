// Damaged files: flipped bytes, cut ends, holes in the middle.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include <algorithm>

#include "alertd/tsdb/frame_reader.h"
#include "alertd/tsdb/wal_files.h"
#include "tests/sim/test_store.h"

namespace tocsin::tsdb {
namespace {

using model::Labels;

Labels up(int host) {
  return Labels{{"__name__", "up"}, {"host", fmt::format("h{}", host)}};
}

/// Five acknowledged batches in one segment.
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

TEST_CASE("the last segment cut at every byte keeps the whole records before") {
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

TEST_CASE("every byte of the segment flipped: only the record hit is lost") {
  TestStore good;
  fill(good);
  const std::string bytes = good.files.content(kFirst);
  REQUIRE(good.open());
  const Contents whole = good.contents();
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    CAPTURE(at);
    TestStore t;
    (void)t.files.create_folders("/data");
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
    t.files.set_content(kFirst, damaged);
    REQUIRE(t.open());
    const Contents found = t.contents();
    CHECK(is_subset(found, whole));
    CHECK(found.size() == 4);  // each series has its own records
    const double files = t.metric("tocsin_alertd_store_damaged_files_total");
    const double torn = t.metric("tocsin_alertd_store_torn_bytes_total");
    CHECK((files == 1) != (torn > 0));
    if (files == 1) {
      CHECK(t.metric("tocsin_alertd_store_damaged_bytes_total") > 0);
      CHECK(t.files.content(kFirst + ".damaged") == damaged);  // kept for whoever wants to look
      CHECK(!t.files.exists(kFirst));
    }
    REQUIRE(t.open());
    CHECK(t.contents() == found);
    CHECK(t.metric("tocsin_alertd_store_damaged_files_total") == 0);
  }
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
