#include "alertd/tsdb/store.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include <algorithm>

#include "tests/sim/test_store.h"

namespace tocsin::tsdb {
namespace {

using base::ErrorCode;
using model::Labels;
using model::Matcher;
using model::MatchOp;
using model::Sample;

const char* const kRefused = "tocsin_alertd_store_samples_refused_total";

Labels up(const char* host) {
  return Labels{{"__name__", "up"}, {"host", host}};
}

Matcher matcher(MatchOp op, const char* name, const char* value) {
  return *Matcher::make(op, name, value);
}

TEST_CASE("samples are read back, sorted by labels and time, and after a restart") {
  TestStore t;
  REQUIRE(t.open());
  Contents expected;
  for (int i = 0; i < 300; ++i) {  // two sealed chunks and an open one
    CHECK(t.appended(up("b"), kNow + i * 1000, i));
    CHECK(t.appended(up("a"), kNow + i * 1000, -i));
    expected["up{host=\"a\"}"].push_back({kNow + i * 1000, double(-i)});
    expected["up{host=\"b\"}"].push_back({kNow + i * 1000, double(i)});
  }
  CHECK(t.contents() == expected);
  REQUIRE(t.open());
  CHECK(t.contents() == expected);
  CHECK(t.store->status().series == 2);
  const auto set = t.store->select({}, kNow, kNow, {});
  CHECK((*set)->labels(0).get("host") == "a");
  CHECK(t.contents({}, kNow + 5000, kNow + 6000)["up{host=\"b\"}"] ==
        std::vector<Sample>{{kNow + 5000, 5}, {kNow + 6000, 6}});
  CHECK(t.contents({}, kNow + 900'000, kNow + 901'000).empty());
}

TEST_CASE("duplicates, conflicts, late, old and future samples") {
  TestStore t;
  t.options.out_of_order_window = base::Duration{10'000};
  REQUIRE(t.open());
  for (int i = 0; i < 130; ++i) CHECK(t.appended(up("a"), kNow + i * 1000, i));
  const auto outcome = [&](std::int64_t timestamp, double value) {
    return **t.append(up("a"), timestamp, value);
  };
  CHECK(outcome(kNow + 129'000, 129).samples_duplicate == 1);
  CHECK(outcome(kNow + 129'000, 7).samples_conflicting == 1);
  CHECK(outcome(kNow + 125'000, 125).samples_duplicate == 1);  // in the open chunk
  CHECK(outcome(kNow + 119'000, 119).samples_duplicate == 1);  // in the sealed chunk
  CHECK(outcome(kNow + 125'500, 125.5).samples_appended == 1);
  CHECK(outcome(kNow + 125'500, 125.5).samples_duplicate == 1);
  CHECK(outcome(kNow + 125'500, 3).samples_conflicting == 1);
  CHECK(outcome(kNow + 124'500, 124.5).samples_appended == 1);
  CHECK(outcome(kNow + 118'999, 1).samples_out_of_order == 1);
  CHECK(outcome(kNow + 600'001, 1).samples_too_new == 1);
  CHECK(outcome(kNow - 15LL * 86'400'000 - 1, 1).samples_appended == 0);
  CHECK(t.metric(kRefused, "duplicate") == 4);
  CHECK(t.metric(kRefused, "conflicting") == 2);
  CHECK(t.metric(kRefused, "too_new") == 1);
  const std::vector<Sample> tail{{kNow + 124'000, 124},
                                 {kNow + 124'500, 124.5},
                                 {kNow + 125'000, 125},
                                 {kNow + 125'500, 125.5},
                                 {kNow + 126'000, 126}};
  const auto read = [&] { return t.contents({}, kNow + 124'000, kNow + 126'000).begin()->second; };
  CHECK(read() == tail);
  REQUIRE(t.open());
  CHECK(read() == tail);
  // And from a checkpoint.
  t.store->request_checkpoint();
  t.executor.run_for(base::Duration{1000});
  REQUIRE(t.open());
  CHECK(read() == tail);
  CHECK(t.contents().begin()->second.size() == 132);
  CHECK(outcome(kNow + 124'500, 124.5).samples_duplicate == 1);
}

TEST_CASE("many late samples become late chunks") {
  TestStore t;
  REQUIRE(t.open());
  CHECK(t.appended(up("a"), kNow + 500'000, 0));
  for (int i = 300; i-- > 0;) CHECK(t.appended(up("a"), kNow + i * 1000, i));
  CHECK(!t.appended(up("a"), kNow + 5000, 5));
  const auto check = [&] {
    const auto samples = t.contents().begin()->second;
    REQUIRE(samples.size() == 301);
    for (int i = 0; i < 300; ++i) {
      CHECK(samples[static_cast<std::size_t>(i)] == Sample{kNow + i * 1000, double(i)});
    }
  };
  check();
  t.store->request_checkpoint();
  t.executor.run_for(base::Duration{1000});
  REQUIRE(t.open());
  check();
}

TEST_CASE("selectors answer as trying every series does") {
  TestStore t;
  REQUIRE(t.open());
  model::WriteBatch batch;
  std::vector<Labels> all;
  for (int host = 0; host < 20; ++host) {
    for (const char* metric : {"up", "load1", "node_cpu"}) {
      for (int cpu = 0; cpu < 3; ++cpu) {
        model::LabelsBuilder builder;
        builder.set("__name__", metric).set("host", fmt::format("h{}", host));
        if (cpu > 0) builder.set("cpu", fmt::format("{}", cpu));
        all.push_back(builder.build());
        batch.add(all.back(), {kNow, 1});
      }
    }
  }
  REQUIRE((**t.append_batch(std::move(batch))).samples_appended == 180);
  std::sort(all.begin(), all.end());
  const std::vector<std::vector<Matcher>> selectors{
      {},
      {Matcher::equal("__name__", "up")},
      {Matcher::equal("__name__", "up"), Matcher::equal("cpu", "")},
      {Matcher::equal("__name__", "up"), matcher(MatchOp::NotEqual, "cpu", "1")},
      {Matcher::equal("__name__", "nothing")},
      {Matcher::equal("host", "h3"), Matcher::equal("__name__", "load1")},
      {matcher(MatchOp::Regex, "host", "h1|h2|h2|none"), Matcher::equal("__name__", "up")},
      {matcher(MatchOp::Regex, "host", "h1.*")},
      {matcher(MatchOp::NotRegex, "host", "h1.*"), matcher(MatchOp::NotEqual, "cpu", "")},
      {matcher(MatchOp::Regex, "cpu", "|1")},
      {matcher(MatchOp::Regex, "cpu", ".*"), Matcher::equal("host", "h7")},
      {matcher(MatchOp::Regex, "cpu", ".+"), Matcher::equal("host", "h7")},
      {matcher(MatchOp::NotRegex, "__name__", "up|load1"), Matcher::equal("cpu", "2")},
  };
  for (int round = 0; round < 2; ++round) {  // the second time from the cache
    for (const auto& matchers : selectors) {
      std::vector<Labels> expected;
      for (const Labels& labels : all) {
        if (model::matches_all(matchers, labels)) expected.push_back(labels);
      }
      const auto set = t.store->select(matchers, kNow, kNow, {});
      REQUIRE(set);
      std::vector<Labels> found;
      for (std::size_t i = 0; i < (*set)->size(); ++i) found.push_back((*set)->labels(i));
      CHECK(found == expected);
    }
  }
  // A new series shows in a selector that was asked before.
  CHECK(t.appended(up("new"), kNow, 1));
  CHECK((*t.store->select(selectors[1], kNow, kNow, {}))->size() == 61);
  const auto limited = t.store->select(selectors[1], kNow, kNow, {.series_max = 60});
  REQUIRE(!limited);
  CHECK(limited.error().code == ErrorCode::LimitExceeded);
  CHECK(*t.store->label_values("cpu", {}) == std::vector<std::string>{"1", "2"});
  CHECK(*t.store->label_values("cpu", std::vector{Matcher::equal("host", "new")}) ==
        std::vector<std::string>{});
  CHECK(*t.store->label_names({}) == std::vector<std::string>{"__name__", "cpu", "host"});
  CHECK(*t.store->label_names(std::vector{Matcher::equal("host", "new")}) ==
        std::vector<std::string>{"__name__", "host"});
}

TEST_CASE("a snapshot does not change and outlives the store") {
  TestStore t;
  REQUIRE(t.open());
  CHECK(t.appended(up("a"), kNow, 1));
  auto set = *t.store->select({}, kNow, kNow + 10'000, {});
  CHECK(t.appended(up("a"), kNow + 1000, 2));
  t.store.reset();
  std::vector<Sample> samples;
  REQUIRE(set->samples(0, kNow, kNow + 10'000, samples));
  CHECK(samples == std::vector<Sample>{{kNow, 1}});
}

TEST_CASE("over the series limit, existing series go on") {
  TestStore t;
  t.options.series_max = 2;
  REQUIRE(t.open());
  CHECK(t.appended(up("a"), kNow, 1));
  CHECK(t.appended(up("b"), kNow, 1));
  const auto refused = **t.append(up("c"), kNow, 1);
  CHECK(refused.series_refused == 1);
  CHECK(refused.samples_appended == 0);
  CHECK(t.metric(kRefused, "series_limit") == 1);
  CHECK(t.appended(up("a"), kNow + 1, 1));
}

TEST_CASE("a full queue refuses, and one sync serves a whole group") {
  TestStore t;
  t.options.queue_batches_max = 3;
  REQUIRE(t.open());
  CHECK(t.appended(up("a"), kNow, 1));
  int good = 0;
  int unavailable = 0;
  const std::uint64_t before = t.files.operations();
  for (int i = 1; i <= 5; ++i) {
    auto batch = std::make_shared<model::WriteBatch>();
    batch->add(up("a"), {kNow + i, 1});
    t.store->append(batch, [&](base::Result<model::AppendOutcome> result) {
      if (result) {
        ++good;
      } else {
        CHECK(result.error().code == ErrorCode::Unavailable);
        CHECK(result.error().message.find("3 of 3 batches") != std::string::npos);
        ++unavailable;
      }
    });
  }
  t.executor.run_ready();
  CHECK(good == 3);
  CHECK(unavailable == 2);
  CHECK(t.files.operations() - before == 2);  // one append, one sync
  CHECK(t.metric("tocsin_alertd_store_batches_refused_total", "queue_full") == 2);
}

TEST_CASE("destruction answers what waits") {
  TestStore t;
  REQUIRE(t.open());
  std::optional<ErrorCode> code;
  auto batch = std::make_shared<model::WriteBatch>();
  batch->add(up("a"), {kNow, 1});
  t.store->append(batch, [&](base::Result<model::AppendOutcome> r) { code = r.error().code; });
  t.store.reset();
  CHECK(code == ErrorCode::Unavailable);
}

TEST_CASE("retention drops chunks and series, and the log with them") {
  TestStore t;
  t.options.retention = base::Duration{3'600'000};
  t.options.checkpoint_wal_bytes = 1000;
  REQUIRE(t.open());
  for (int i = 0; i < 500; ++i) CHECK(t.appended(up("old"), kNow + i * 1000, i));
  for (int minute = 0; minute < 200; ++minute) {
    t.executor.run_for(base::Duration{60'000});
    CHECK(t.appended(up("live"), kNow + minute * 60'000, minute));
  }
  // Newest sample at minute 199: what is wholly before minute 139 is gone, so the first chunk of
  // 120.
  const Contents now = t.contents();
  CHECK(now.size() == 1);
  CHECK(t.store->status().series == 1);
  CHECK(now.begin()->second.size() == 80);
  CHECK(t.store->status().wal_bytes < 5000);
  CHECK(t.metric("tocsin_alertd_store_series_removed_total") == 1);
  CHECK(t.metric("tocsin_alertd_store_checkpoints_total") > 1);
  CHECK((**t.append(up("x"), kNow, 1)).samples_too_old == 1);
  REQUIRE(t.open());
  CHECK(t.contents() == now);
  // The series may come back.
  CHECK(t.appended(up("old"), kNow + 200 * 60'000, 1));
  REQUIRE(t.open());
  CHECK(t.contents()["up{host=\"old\"}"].size() == 1);
}

TEST_CASE("a jump of the clock does not delete") {
  TestStore t;
  t.options.retention = base::Duration{3'600'000};
  REQUIRE(t.open());
  CHECK(t.appended(up("a"), kNow, 1));
  t.executor.run_for(base::Duration{60'000});
  t.clock.step_wall(base::Duration{365LL * 86'400'000});
  // The daemon's own series carry the wrong time.
  CHECK(t.appended(up("self"), base::to_ms(t.clock.wall()), 1));
  t.executor.run_for(base::Duration{300'000});
  CHECK(t.contents().contains("up{host=\"a\"}"));
  CHECK(t.metric("tocsin_alertd_store_clock_jumps_total") == 1);
  t.executor.run_for(base::Duration{25LL * 3'600'000});  // a day later it is the truth
  CHECK(!t.contents().contains("up{host=\"a\"}"));
}

TEST_CASE("a full disk refuses writes, keeps reading, and recovers by itself") {
  TestStore t;
  REQUIRE(t.open());
  CHECK(t.appended(up("a"), kNow, 1));
  t.files.set_capacity(t.files.used_bytes() + 10);
  const auto failed = *t.append(up("b"), kNow, 1);
  REQUIRE(!failed);
  CHECK(failed.error().code == ErrorCode::Io);
  const auto later = *t.append(up("b"), kNow, 1);
  CHECK(later.error().code == ErrorCode::Unavailable);
  CHECK(t.store->status().read_only);
  CHECK(t.store->status().last_error.find("no space left") != std::string::npos);
  CHECK(t.metric("tocsin_alertd_store_read_only") == 1);
  CHECK(t.contents().size() == 1);
  t.files.set_capacity(1 << 20);
  t.executor.run_for(base::Duration{5000});
  CHECK(!t.store->status().read_only);
  CHECK(t.appended(up("b"), kNow, 1));
  REQUIRE(t.open());
  CHECK(t.contents().size() == 2);
  CHECK(t.metric("tocsin_alertd_store_damaged_files_total") == 0);
}

TEST_CASE("fsync by interval") {
  TestStore t;
  t.options.fsync = Fsync::Interval;
  REQUIRE(t.open());
  CHECK(t.appended(up("a"), kNow, 1));
  t.executor.run_for(base::Duration{1000});
  CHECK(t.appended(up("b"), kNow, 1));
  t.files.crash(sim::Unsynced::Lost, false);
  REQUIRE(t.open());
  CHECK(t.contents().contains("up{host=\"a\"}"));
  CHECK(!t.contents().contains("up{host=\"b\"}"));
  CHECK(t.appended(up("b"), kNow, 1));
  t.store.reset();  // an orderly stop syncs
  t.files.crash(sim::Unsynced::Lost, false);
  REQUIRE(t.open());
  CHECK(t.contents().contains("up{host=\"b\"}"));
}

}  // namespace
}  // namespace tocsin::tsdb
