// The real executor with readers beside it: for the thread sanitizer, and for what a reader may
// see.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include <atomic>
#include <memory>

#include "common/base/asio_executor.h"
#include "common/base/mutex.h"
#include "tests/sim/test_store.h"

namespace tocsin::tsdb {
namespace {

using model::Labels;

/// Counts down to zero, and lets a test wait for it.
class Latch {
 public:
  explicit Latch(int count) : count_(count) {}
  void count_down() {
    const base::MutexLock lock(mutex_);
    if (--count_ == 0) zero_.notify_all();
  }
  void wait() {
    const base::MutexLock lock(mutex_);
    zero_.wait(mutex_, [this] { return count_ == 0; });
  }

 private:
  base::Mutex mutex_;
  base::Condition zero_;
  int count_;
};

TEST_CASE("one writer and several readers") {
  constexpr int kBatches = 300;
  constexpr int kSeries = 20;
  base::RealClock clock;
  sim::SimFileSystem files;
  base::Metrics metrics;
  StoreOptions options;
  options.folder = "/data";
  options.checkpoint_wal_bytes = 20'000;
  options.chunk_samples = 20;  // segments come into being and are read meanwhile
  options.flush_bytes = 2'000;
  base::AsioExecutor store_thread(clock, "store", 1);
  base::AsioExecutor readers(clock, "readers", 2);
  auto opened = Store::open(options, files, store_thread, metrics);
  REQUIRE(opened);
  const std::unique_ptr<Store> store = std::move(*opened);
  const std::int64_t start = base::to_ms(clock.wall()) - 400'000;
  std::atomic<bool> stop{false};
  std::atomic<int> bad{0};
  Latch read(2);
  for (int reader = 0; reader < 2; ++reader) {
    readers.post([&] {
      std::vector<model::Sample> samples;
      const std::vector<model::Matcher> matchers{model::Matcher::equal("__name__", "m")};
      while (!stop) {
        const auto set = store->select(matchers, start, start + 1'000'000, {});
        for (std::size_t i = 0; set && i < (*set)->size(); ++i) {
          samples.clear();
          if (!(*set)->samples(i, start, start + 1'000'000, samples)) ++bad;
          // Whole prefixes only: sample k is k.
          for (std::size_t k = 0; k < samples.size(); ++k) {
            if (samples[k].value != static_cast<double>(k)) ++bad;
          }
        }
        if (!store->label_values("id", {})) ++bad;
        (void)store->status();
      }
      read.count_down();
    });
  }
  Latch written(kBatches);
  std::atomic<int> refused{0};
  for (int round = 0; round < kBatches; ++round) {
    auto batch = std::make_shared<model::WriteBatch>();
    for (int i = 0; i < kSeries; ++i) {
      batch->add(Labels{{"__name__", "m"}, {"id", fmt::format("{}", i)}},
                 {start + round * 1000, double(round)});
    }
    store->append(batch, [&](base::Result<model::AppendOutcome> result) {
      if (!result || result->samples_appended != kSeries) ++refused;
      written.count_down();
    });
  }
  written.wait();
  stop = true;
  read.wait();
  CHECK(refused == 0);
  CHECK(bad == 0);
  const auto set = store->select({}, start, start + 1'000'000, {});
  CHECK((*set)->size() == kSeries);
  readers.stop();
  store_thread.stop();
}

}  // namespace
}  // namespace tocsin::tsdb
