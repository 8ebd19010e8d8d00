// The pool and the source over it, with real threads: what hangs holds up nothing else.
#include <doctest/doctest.h>

#include <future>

#include "agent/collectors/blocking/pooled_source.h"
#include "common/base/asio_executor.h"

namespace tocsin::agent {
namespace {

constexpr auto kSoon = std::chrono::seconds(10);

/// Something that hangs until it is let go.
struct Gate {
  std::promise<void> opener;
  std::shared_future<void> open = opener.get_future().share();
};

struct NoSink final : RoundSink {
  void add(const MetricInfo&, std::span<const model::LabelView>, double value) override {
    last = value;
  }
  void add_at(const MetricInfo&, std::span<const model::LabelView>, double, std::int64_t) override {
  }
  void describe(const model::MetricMetadata&) override {}
  std::size_t series_added() const override { return 0; }
  double last = -1;
};

/// The executor and what lives on it.
struct Bench {
  /// Runs `what` on the executor and returns its result.
  template <class What>
  auto on(What what) {
    std::promise<decltype(what())> promise;
    auto future = promise.get_future();
    executor.post([&] { promise.set_value(what()); });
    REQUIRE(future.wait_for(kSoon) == std::future_status::ready);
    return future.get();
  }
  ~Bench() {
    on([&] { return pool.reset(), 0; });
  }

  base::RealClock clock;
  base::AsioExecutor executor{clock, "test", 1};
  std::shared_ptr<CallPool> pool = std::make_shared<CallPool>(
      "test-pool", executor, CallPoolLimits{.most = 4, .patience = base::Duration{20}});
};

CallPool::Call saying(const std::shared_ptr<std::promise<void>>& promise) {
  return [promise]() -> base::Task { return [promise] { promise->set_value(); }; };
}

CallPool::Call hanging(const Gate& gate) {
  return [open = gate.open]() -> base::Task {
    open.wait();
    return [] {};
  };
}

/// One round of a source: the value it told.
double round(Bench& bench, PooledSource& source) {
  auto told = std::make_shared<std::promise<double>>();
  auto future = told->get_future();
  bench.executor.post([&source, told] {
    source.start({}, [told](const Fill& fill) {
      NoSink sink;
      fill(sink);
      told->set_value(sink.last);
    });
  });
  REQUIRE(future.wait_for(kSoon) == std::future_status::ready);
  return future.get();
}

PooledSource::Answer telling(double value, bool good = true) {
  static constexpr MetricInfo kMetric{"test_value", "For the test."};
  return {[value](RoundSink& sink) { sink.add(kMetric, value); }, good};
}

}  // namespace

TEST_CASE("call pool: two threads serve many calls, and none is there before the first") {
  Bench bench;
  CHECK(bench.on([&] { return bench.pool->threads(); }) == 0);
  std::vector<std::future<void>> done;
  for (int i = 0; i < 20; ++i) {
    auto promise = std::make_shared<std::promise<void>>();
    done.push_back(promise->get_future());
    bench.on([&] { return bench.pool->run(saying(promise)), 0; });
  }
  for (auto& each : done) CHECK(each.wait_for(kSoon) == std::future_status::ready);
  CHECK(bench.on([&] { return bench.pool->threads(); }) <= 2);
}

TEST_CASE("call pool: calls that hang get further threads out of the others' way, up to a bound") {
  Bench bench;
  Gate gate;
  for (int i = 0; i < 3; ++i) {
    bench.on([&] { return bench.pool->run(hanging(gate)), 0; });
  }
  auto promise = std::make_shared<std::promise<void>>();
  bench.on([&] { return bench.pool->run(saying(promise)), 0; });
  CHECK(promise->get_future().wait_for(kSoon) == std::future_status::ready);
  CHECK(bench.on([&] { return bench.pool->threads(); }) == 4);
  for (int i = 0; i < 3; ++i) {
    bench.on([&] { return bench.pool->run(hanging(gate)), 0; });
  }
  auto late = std::make_shared<std::promise<void>>();
  auto late_done = late->get_future();
  bench.on([&] { return bench.pool->run(saying(late)), 0; });
  CHECK(late_done.wait_for(std::chrono::milliseconds(200)) == std::future_status::timeout);
  CHECK(bench.on([&] { return bench.pool->threads(); }) == 4);
  gate.opener.set_value();
  CHECK(late_done.wait_for(kSoon) == std::future_status::ready);
}

TEST_CASE("call pool: a call that hangs may outlive pool and executor") {
  Gate gate;
  auto left = std::make_shared<std::promise<void>>();
  auto done = std::make_shared<std::atomic<bool>>(false);
  {
    Bench bench;
    auto entered = std::make_shared<std::promise<void>>();
    bench.on([&] {
      bench.pool->run([open = gate.open, entered, left, done]() -> base::Task {
        entered->set_value();
        open.wait();
        left->set_value();
        return [done] { *done = true; };
      });
      return 0;
    });
    REQUIRE(entered->get_future().wait_for(kSoon) == std::future_status::ready);
  }
  gate.opener.set_value();
  CHECK(left->get_future().wait_for(kSoon) == std::future_status::ready);
  CHECK(!done->load());  // nobody is there to be told
}

TEST_CASE("pooled source: an answer is told again until it is time; a bad one is asked again") {
  Bench bench;
  auto calls = std::make_shared<std::atomic<int>>(0);
  auto good = std::make_shared<std::atomic<bool>>(true);
  PooledSource::Reading reading;
  reading.interval = base::Duration{3'600'000};
  reading.read = [calls, good] { return telling(++*calls, good->load()); };
  reading.down = [](const base::Error&) { return telling(-2, false); };
  auto source = std::make_unique<PooledSource>("one", reading, bench.pool, bench.executor);
  CHECK(round(bench, *source) == 1);
  CHECK(round(bench, *source) == 1);
  CHECK(calls->load() == 1);
  reading.interval = base::Duration{0};
  source = std::make_unique<PooledSource>("one", reading, bench.pool, bench.executor);
  CHECK(round(bench, *source) == 2);
  *good = false;
  CHECK(round(bench, *source) == 3);
  CHECK(round(bench, *source) == 4);
  bench.on([&] { return source.reset(), 0; });
}

TEST_CASE("pooled source: one that hangs is told as down on time, and while its call is out") {
  Bench bench;
  Gate gate;
  auto entered = std::make_shared<std::atomic<int>>(0);
  PooledSource::Reading reading;
  reading.interval = base::Duration{0};
  reading.timeout = base::Duration{50};
  reading.read = [open = gate.open, entered] {
    ++*entered;
    open.wait();
    return telling(1);
  };
  reading.down = [](const base::Error& error) {
    return telling(error.code == base::ErrorCode::Timeout ? -2 : -3, false);
  };
  auto source = std::make_unique<PooledSource>("slow", reading, bench.pool, bench.executor);
  CHECK(round(bench, *source) == -2);
  CHECK(round(bench, *source) == -2);
  CHECK(entered->load() == 1);  // not asked again while the first call is out
  gate.opener.set_value();
  double value = -2;
  // A round does not wait while that call is out.
  const auto end = std::chrono::steady_clock::now() + kSoon;
  while (value != 1 && std::chrono::steady_clock::now() < end) value = round(bench, *source);
  CHECK(value == 1);
  bench.on([&] { return source.reset(), 0; });
}

}  // namespace tocsin::agent
