// Crashes and failures at every operation: what was acknowledged is there, and nothing else is
// invented.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "tests/sim/test_store.h"

namespace tocsin::tsdb {
namespace {

using model::Labels;
using model::Sample;

/// What a sender knows: sent, and acknowledged.
struct Ledger {
  std::map<std::string, std::set<std::pair<std::int64_t, double>>> sent;
  std::map<std::string, std::set<std::pair<std::int64_t, double>>> acknowledged;
};

/// Sends rounds of batches with a few series; some series come and go, some samples come late.
void work(TestStore& t, Ledger& ledger, int rounds, int first_round = 0) {
  for (int round = first_round; round < first_round + rounds; ++round) {
    model::WriteBatch batch;
    std::vector<std::pair<std::string, std::pair<std::int64_t, double>>> content;
    for (int series = 0; series < 4; ++series) {
      const std::string host = fmt::format("h{}", series == 3 ? 3 + round / 5 : series);
      const Labels labels{{"__name__", "up"}, {"host", host}};
      std::int64_t timestamp = kNow + round * 1000;
      if (series == 2 && round % 3 == 2) timestamp -= 1500;  // late
      batch.add(labels, {timestamp, double(round)});
      content.emplace_back(labels.to_string(), std::pair{timestamp, double(round)});
    }
    for (const auto& [name, sample] : content) ledger.sent[name].insert(sample);
    const auto answer = t.append_batch(std::move(batch));
    if (answer && *answer && (*answer)->samples_appended == 4) {
      for (const auto& [name, sample] : content) ledger.acknowledged[name].insert(sample);
    }
    if (round % 4 == 3) t.executor.run_for(base::Duration{6000});
    if (round % 7 == 6) {
      t.store->request_checkpoint();
      t.executor.run_for(base::Duration{10});
    }
  }
}

void require_kept(const TestStore& t, const Ledger& ledger) {
  const Contents found = t.contents();
  for (const auto& [name, samples] : ledger.acknowledged) {
    const auto at = found.find(name);
    REQUIRE_MESSAGE(at != found.end(), name);
    for (const auto& [timestamp, value] : samples) {
      const bool there = std::find(at->second.begin(), at->second.end(),
                                   Sample{timestamp, value}) != at->second.end();
      REQUIRE_MESSAGE(there, fmt::format("{} at {} is lost", name, timestamp));
    }
  }
  for (const auto& [name, samples] : found) {
    const auto at = ledger.sent.find(name);
    REQUIRE_MESSAGE(at != ledger.sent.end(), fmt::format("{} was never sent", name));
    for (const Sample& sample : samples) {
      REQUIRE_MESSAGE(at->second.contains({sample.timestamp_ms, sample.value}),
                      fmt::format("{} at {} was never sent", name, sample.timestamp_ms));
    }
  }
}

void use_small_files(TestStore& t) {
  t.options.log_file_bytes = 1500;
  t.options.checkpoint_wal_bytes = 4000;
  t.options.chunk_samples = 5;
  t.options.flush_bytes = 700;
}

constexpr int kRounds = 30;

std::uint64_t operations_of_a_whole_run() {
  TestStore t;
  use_small_files(t);
  REQUIRE(t.open());
  Ledger ledger;
  work(t, ledger, kRounds);
  require_kept(t, ledger);
  CHECK(ledger.acknowledged["up{host=\"h0\"}"].size() == kRounds);
  return t.files.operations();
}

TEST_CASE("power loss at every operation") {
  const std::uint64_t operations = operations_of_a_whole_run();
  REQUIRE(operations > 60);
  for (std::uint64_t at = 1; at <= operations; ++at) {
    for (const auto unsynced : {sim::Unsynced::Lost, sim::Unsynced::Torn, sim::Unsynced::Kept}) {
      CAPTURE(at);
      CAPTURE(static_cast<int>(unsynced));
      TestStore t(at * 3 + static_cast<std::uint64_t>(unsynced));
      use_small_files(t);
      Ledger ledger;
      t.files.fail_at(at, true);  // from here on nothing reaches the disk
      if (t.open()) work(t, ledger, kRounds);
      t.store.reset();
      t.files.crash(unsynced, at % 2 == 0);
      REQUIRE(t.open());
      require_kept(t, ledger);
      CHECK(t.metric("tocsin_alertd_store_samples_lost_total") == 0);
      // And it goes on from there.
      work(t, ledger, 3, kRounds);
      require_kept(t, ledger);
      REQUIRE(t.open());
      require_kept(t, ledger);
    }
  }
}

TEST_CASE("the n-th operation fails once") {
  const std::uint64_t operations = operations_of_a_whole_run();
  for (std::uint64_t at = 1; at <= operations; ++at) {
    CAPTURE(at);
    TestStore t(at);
    use_small_files(t);
    Ledger ledger;
    t.files.fail_at(at, false);
    if (!t.open()) REQUIRE(t.open());
    work(t, ledger, kRounds);
    require_kept(t, ledger);
    // The disk works again: a few seconds later so does the store.
    t.executor.run_for(base::Duration{10'000});
    CHECK(!t.store->status().read_only);
    work(t, ledger, 2, kRounds);
    t.store.reset();
    t.files.crash(sim::Unsynced::Torn, at % 2 == 0);
    REQUIRE(t.open());
    require_kept(t, ledger);
  }
}

TEST_CASE("a series known from what a failed sync left is logged again") {
  TestStore t;
  REQUIRE(t.open());
  const Labels up{{"__name__", "up"}};
  t.files.fail_at(2, true);  // the append is there, its sync fails, and nothing works after it
  CHECK(!*t.append(up, kNow, 1));
  t.files.crash(sim::Unsynced::Kept, sim::UnsyncedNames::Kept);  // kill -9
  REQUIRE(t.open());
  CHECK(t.appended(up, kNow + 1, 2));
  t.store.reset();
  t.files.crash(sim::Unsynced::Lost, sim::UnsyncedNames::Kept);
  REQUIRE(t.open());
  CHECK(t.contents().at(up.to_string()).back() == Sample{kNow + 1, 2});
}

TEST_CASE("failures while opening damage nothing") {
  for (std::uint64_t at = 1; at <= 12; ++at) {
    CAPTURE(at);
    TestStore t;
    use_small_files(t);
    REQUIRE(t.open());
    Ledger ledger;
    work(t, ledger, 12);
    t.store.reset();
    t.files.fail_at(at, true);
    (void)t.open();
    t.store.reset();
    t.files.crash(sim::Unsynced::Lost, true);
    REQUIRE(t.open());
    require_kept(t, ledger);
  }
}

}  // namespace
}  // namespace tocsin::tsdb
