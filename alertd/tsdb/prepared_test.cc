// A prepared selector gives the samples that select() gives, while series come, go and grow.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include <atomic>
#include <bit>
#include <map>

#include "alertd/tsdb/store.h"
#include "common/base/asio_executor.h"
#include "common/base/mutex.h"
#include "common/base/random.h"
#include "common/base/sim_executor.h"
#include "tests/sim/test_store.h"

namespace tocsin::tsdb {
namespace {

using model::Labels;
using model::Matcher;
using model::Sample;

constexpr std::int64_t kStart = 1'700'000'000'000;

struct World {
  base::SimClock clock{base::wall_time(kStart)};
  base::SimExecutor executor{clock};
  base::Metrics metrics;
  sim::SimFileSystem files;
  std::unique_ptr<Store> store;

  explicit World(base::Duration retention = base::Duration{3'600'000}) {
    StoreOptions options;
    options.folder = "/data";
    options.retention = retention;
    store = std::move(Store::open(options, files, executor, metrics).value());
  }
  void append(const std::vector<std::pair<Labels, Sample>>& samples) {
    auto batch = std::make_shared<model::WriteBatch>();
    for (const auto& [labels, sample] : samples) batch->add(labels, sample);
    store->append(std::move(batch), {});
    executor.run_ready();
  }
};

Labels series(int host, const char* zone, const char* metric = "m") {
  return Labels{{"__name__", metric}, {"host", fmt::format("{:03}", host)}, {"zone", zone}};
}

using Read = std::map<std::string, std::vector<std::pair<std::int64_t, std::uint64_t>>>;

Read plain(const Store& store, std::span<const Matcher> matchers, std::int64_t begin_ms,
           std::int64_t end_ms) {
  Read read;
  const auto set = store.select(matchers, begin_ms, end_ms, {});
  REQUIRE(set);
  for (std::size_t i = 0; i < (*set)->size(); ++i) {
    std::vector<Sample> samples;
    REQUIRE((*set)->samples(i, begin_ms, end_ms, samples));
    std::erase_if(samples, [](const Sample& sample) { return model::is_stale(sample.value); });
    if (samples.empty()) continue;
    auto& out = read[(*set)->labels(i).to_string()];
    for (const Sample& sample : samples) {
      out.emplace_back(sample.timestamp_ms, std::bit_cast<std::uint64_t>(sample.value));
    }
  }
  return read;
}

Read prepared(model::PreparedSelector& selector, std::int64_t begin_ms, std::int64_t end_ms) {
  Read read;
  const auto list = selector.refresh();
  for (std::size_t i = 1; i < list->size(); ++i) REQUIRE(list->labels(i - 1) < list->labels(i));
  REQUIRE(selector.windows(begin_ms, end_ms, [&](std::size_t i, std::span<const Sample> samples) {
    auto& out = read[list->labels(i).to_string()];
    REQUIRE(out.empty());
    for (const Sample& sample : samples) {
      out.emplace_back(sample.timestamp_ms, std::bit_cast<std::uint64_t>(sample.value));
    }
    return true;
  }));
  return read;
}

void check_newest(const Store& store, model::PreparedSelector& selector,
                  std::span<const Matcher> matchers, std::int64_t begin_ms, std::int64_t end_ms) {
  const auto list = selector.refresh();
  std::vector<Sample> newest(list->size());
  REQUIRE(selector.newest(begin_ms, end_ms, newest));
  std::map<std::string, Sample> expected;
  const auto set = store.select(matchers, begin_ms, end_ms, {});
  for (std::size_t i = 0; i < (*set)->size(); ++i) {
    std::vector<Sample> samples;
    REQUIRE((*set)->samples(i, begin_ms, end_ms, samples));
    if (!samples.empty()) expected[(*set)->labels(i).to_string()] = samples.back();
  }
  std::size_t found = 0;
  for (std::size_t i = 0; i < newest.size(); ++i) {
    if (newest[i].timestamp_ms == model::PreparedSelector::kNoSample) continue;
    ++found;
    const Sample& wanted = expected.at(list->labels(i).to_string());
    CHECK(newest[i].timestamp_ms == wanted.timestamp_ms);
    CHECK(std::bit_cast<std::uint64_t>(newest[i].value) ==
          std::bit_cast<std::uint64_t>(wanted.value));
  }
  CHECK(found == expected.size());
}

double some_value(base::Random& random, int round) {
  switch (random.below(6)) {
    case 0:
      return model::stale_marker();
    case 1:
    case 2:
      return 7;  // runs that repeat
    case 3:
      return static_cast<double>(round);
    default:
      return static_cast<double>(random.next()) / 3;
  }
}

void churn(std::uint64_t seed) {
  const auto random = base::make_seeded_random(seed);
  World world(base::Duration{900'000});  // so that series also go
  const std::vector<Matcher> matchers{Matcher::equal("__name__", "m"),
                                      Matcher::make(model::MatchOp::NotEqual, "zone", "c").value()};
  const auto short_window = world.store->prepare(matchers);
  const auto long_window = world.store->prepare(matchers);
  const auto values = world.store->prepare(matchers);
  REQUIRE(short_window);
  int hosts = 3;
  for (int round = 1; round < 400; ++round) {
    const std::int64_t now = kStart + round * 15'000;
    world.clock.advance(base::Duration{15'000});
    world.executor.run_ready();
    if (random->below(10) == 0) ++hosts;
    std::vector<std::pair<Labels, Sample>> samples;
    for (int host = std::max(0, hosts - 12); host < hosts; ++host) {
      for (const char* zone : {"a", "b", "c"}) {
        if (random->below(15) == 0) continue;
        const bool late = random->below(40) == 0;
        const std::int64_t jitter = static_cast<std::int64_t>(random->below(3));
        samples.emplace_back(
            series(host, zone),
            Sample{late ? now - 100'000 - jitter : now + jitter, some_value(*random, round)});
      }
    }
    samples.emplace_back(series(round, "a", "other"), Sample{now, 1});
    world.append(samples);
    if (random->below(3) == 0) continue;
    const std::int64_t end = now + 5'000 - static_cast<std::int64_t>(random->below(4)) * 10'000;
    INFO("seed ", seed, " round ", round);
    CHECK(prepared(*short_window, end - 120'000, end) ==
          plain(*world.store, matchers, end - 120'000, end));
    CHECK(prepared(*long_window, end - 1'800'000, end) ==
          plain(*world.store, matchers, end - 1'800'000, end));
    check_newest(*world.store, *values, matchers, end - 60'000, end);
  }
}

TEST_CASE("prepared selectors read what select() reads, over churn, late samples and full chunks") {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) churn(seed);
}

TEST_CASE("a list stays the same until its own metric changes, and then grows from it") {
  World world;
  const std::vector<Matcher> matchers{Matcher::equal("__name__", "m")};
  const auto selector = world.store->prepare(matchers);
  CHECK(selector->refresh()->size() == 0);
  world.append({{series(1, "a"), {kStart, 1}}, {series(3, "a"), {kStart, 3}}});
  const auto two = selector->refresh();
  REQUIRE(two->size() == 2);
  world.append({{series(9, "a", "other"), {kStart, 1}}});
  CHECK(selector->refresh() == two);
  world.append({{series(2, "a"), {kStart, 2}}});
  const auto three = selector->refresh();
  REQUIRE(three->size() == 3);
  CHECK(three->labels(1) == series(2, "a"));
  const auto from = three->grown_from(*two);
  REQUIRE(from.size() == 3);
  CHECK(from[0] == 0);
  CHECK(from[1] == model::SeriesList::kNewSeries);
  CHECK(from[2] == 1);
  CHECK(two->grown_from(*three).empty());
}

TEST_CASE("a selector without a metric's name is not prepared") {
  World world;
  const std::vector<Matcher> matchers{Matcher::equal("zone", "a")};
  CHECK(world.store->prepare(matchers) == nullptr);
}

TEST_CASE("rules read while samples come in and series are made") {
  base::RealClock clock;
  base::AsioExecutor store_thread(clock, "store", 1);
  base::AsioExecutor readers(clock, "eval", 2);
  base::Metrics metrics;
  sim::SimFileSystem files;
  StoreOptions options;
  options.folder = "/data";
  const std::int64_t now = base::to_ms(clock.wall());
  auto store = std::move(Store::open(options, files, store_thread, metrics).value());
  std::atomic<int> torn{0};
  base::Mutex mutex;
  base::Condition over;
  int left = 202;  // two readers, two hundred batches
  const auto one_less = [&] {
    const base::MutexLock lock(mutex);
    if (--left == 0) over.notify_all();
  };
  const std::vector<Matcher> matchers{Matcher::equal("__name__", "m")};
  for (int reader = 0; reader < 2; ++reader) {
    readers.post([&] {
      const auto selector = store->prepare(matchers);
      for (int i = 0; i < 300; ++i) {
        const auto list = selector->refresh();
        // Every batch gives all of its series the same number of samples.
        std::size_t least = 1'000'000;
        std::size_t most = 0;
        const auto visit = [&](std::size_t index, std::span<const Sample> samples) {
          if (list->labels(index).get("zone") != "a") return true;
          least = std::min(least, samples.size());
          most = std::max(most, samples.size());
          return true;
        };
        if (!selector->windows(now - 1'000'000, now + 1'000'000, visit)) ++torn;
        if (most > 0 && least != most) ++torn;
        std::vector<Sample> newest(list->size());
        if (!selector->newest(now - 1'000'000, now + 1'000'000, newest)) ++torn;
      }
      one_less();
    });
  }
  for (int round = 0; round < 200; ++round) {
    auto batch = std::make_shared<model::WriteBatch>();
    for (int host = 0; host < 20; ++host) batch->add(series(host, "a"), {now + round * 10, 1.5});
    batch->add(series(round, "b"), {now, 1});
    store->append(std::move(batch), [&](const auto&) { one_less(); });
  }
  {
    const base::MutexLock lock(mutex);
    over.wait(mutex, [&] { return left == 0; });
  }
  readers.stop();
  store_thread.stop();
  store.reset();
  CHECK(torn == 0);
}

}  // namespace
}  // namespace tocsin::tsdb
