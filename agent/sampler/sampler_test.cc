#include "agent/sampler/sampler.h"

#include <doctest/doctest.h>

#include <stdexcept>

#include "common/base/sim_executor.h"

using namespace tocsin;
using namespace tocsin::agent;
using namespace std::chrono_literals;

namespace {

struct Taken {
  model::Labels labels;
  model::Sample sample;
};

class FakeCollector final : public Collector {
 public:
  std::function<base::Result<void>(MetricSink&)> read;
  std::string called = "fake";
  bool here = true;
  std::string_view name() const override { return called; }
  bool present() const override { return here; }
  base::Result<void> collect(MetricSink& sink) override { return read(sink); }
};

class FakeSource final : public AsyncSource {
 public:
  explicit FakeSource(std::string key) : key_(std::move(key)) {}
  const std::string& key() const override { return key_; }
  void start(base::WallTime, std::function<void(const Fill&)> done) override {
    ++started;
    pending = std::move(done);
  }
  int started = 0;
  std::function<void(const Fill&)> pending;

 private:
  std::string key_;
};

constexpr std::int64_t kStartMs = 1'700'000'000'000;

struct World {
  base::SimClock clock{base::wall_time(kStartMs)};
  base::SimExecutor executor{clock};
  base::Metrics metrics;
  std::vector<Taken> taken;
  std::size_t batches = 0;
  Sampler sampler{options(), {executor, metrics}, [this](model::WriteBatch batch) {
                    ++batches;
                    for (const auto& series : batch.series()) {
                      taken.push_back({model::Labels::from_sorted(batch.labels(series)),
                                       batch.samples(series)[0]});
                    }
                  }};

  static SamplerOptions options() {
    SamplerOptions options;
    options.identity = {"db1", "db1", model::Labels{{"env", "prod"}}};
    return options;
  }
  void use(std::function<base::Result<void>(MetricSink&)> read) {
    Sampler::Sources sources;
    auto collector = std::make_unique<FakeCollector>();
    collector->read = std::move(read);
    sources.collectors.push_back(std::move(collector));
    sampler.configure(options(), std::move(sources));
  }
  // The samples of one metric so far.
  std::vector<Taken> of(std::string_view name) const {
    std::vector<Taken> found;
    for (const Taken& entry : taken) {
      if (entry.labels.metric_name() == name) found.push_back(entry);
    }
    return found;
  }
};

constexpr MetricInfo kX{"x", "An example."};

}  // namespace

TEST_CASE("rounds are aligned to the interval, with a phase by host that never changes") {
  const base::Duration interval = 15s;
  const auto a = Sampler::next_round(base::wall_time(kStartMs), interval, "a");
  CHECK(a >= base::wall_time(kStartMs));
  CHECK(a < base::wall_time(kStartMs) + interval);
  CHECK(Sampler::next_round(a, interval, "a") == a);
  CHECK(Sampler::next_round(a + 1ms, interval, "a") == a + interval);
  CHECK(Sampler::next_round(base::wall_time(-5), interval, "a") >= base::wall_time(-5));
  // Over many hosts every second of the interval is used.
  std::map<std::int64_t, int> seconds;
  for (int host = 0; host < 1000; ++host) {
    const auto at = Sampler::next_round(base::wall_time(kStartMs), interval, std::to_string(host));
    ++seconds[(at - base::wall_time(kStartMs)) / 1s];
  }
  CHECK(seconds.size() == 15);
}

TEST_CASE("one timestamp a round, one round an interval, identity labels on everything") {
  World world;
  world.use([](MetricSink& sink) {
    sink.add(kX, {{"disk", "sda"}, {"empty", ""}}, 1);
    sink.add(kX, {{"instance", "other"}, {"host", "mine"}, {"env", "own"}}, 2);
    return base::ok();
  });
  world.sampler.start();
  world.executor.run_for(60s);
  const auto taken = world.of("x");
  REQUIRE(taken.size() == 8);
  CHECK(taken[0].labels == model::Labels{{"__name__", "x"},
                                         {"disk", "sda"},
                                         {"env", "prod"},
                                         {"host", "db1"},
                                         {"instance", "db1"}});
  CHECK(taken[1].labels == model::Labels{{"__name__", "x"},
                                         {"env", "own"},
                                         {"exported_host", "mine"},
                                         {"host", "db1"},
                                         {"instance", "other"}});
  CHECK(taken[0].sample.timestamp_ms == taken[1].sample.timestamp_ms);
  CHECK(taken[2].sample.timestamp_ms == taken[0].sample.timestamp_ms + 15'000);
  const auto heartbeat = world.of("tocsin_agent_heartbeat_timestamp_seconds");
  REQUIRE(heartbeat.size() == 4);
  CHECK(heartbeat[0].sample.value * 1000 == static_cast<double>(taken[0].sample.timestamp_ms));
  CHECK(world.of("tocsin_agent_build_info")[0].labels.get("version") == TOCSIN_VERSION);
}

TEST_CASE("a series that goes away is ended once, and may come back") {
  World world;
  bool there = true;
  world.use([&](MetricSink& sink) {
    if (there) sink.add(kX, {{"disk", "sdb"}}, 1);
    return base::ok();
  });
  world.sampler.start();
  world.executor.run_for(15s);
  there = false;
  world.executor.run_for(45s);
  there = true;
  world.executor.run_for(15s);
  const auto taken = world.of("x");
  REQUIRE(taken.size() == 3);
  CHECK(taken[0].sample.value == 1);
  CHECK(model::is_stale(taken[1].sample.value));
  CHECK(taken[1].labels == taken[0].labels);
  CHECK(taken[1].sample.timestamp_ms == taken[0].sample.timestamp_ms + 15'000);
  CHECK(taken[2].sample.value == 1);
}

TEST_CASE("a failing collector keeps what it added, is reported, and spoils nobody else's round") {
  World world;
  bool fails = true;
  bool throws = false;
  Sampler::Sources sources;
  auto first = std::make_unique<FakeCollector>();
  first->called = "first";
  first->read = [&](MetricSink& sink) -> base::Result<void> {
    sink.add(kX, 1);
    if (throws) throw std::runtime_error("a bug");
    if (fails) return base::error(base::ErrorCode::Io, "broken disk");
    return base::ok();
  };
  auto second = std::make_unique<FakeCollector>();
  second->called = "second";
  second->read = [](MetricSink& sink) {
    sink.add({"y", "Another."}, 2);
    return base::ok();
  };
  auto absent = std::make_unique<FakeCollector>();
  absent->called = "absent";
  absent->here = false;
  sources.collectors.push_back(std::move(first));
  sources.collectors.push_back(std::move(second));
  sources.collectors.push_back(std::move(absent));
  world.sampler.configure(World::options(), std::move(sources));
  world.sampler.start();
  world.executor.run_for(15s);
  throws = true;
  world.executor.run_for(15s);
  throws = fails = false;
  world.executor.run_for(15s);
  CHECK(world.of("x").size() == 3);
  CHECK(world.of("y").size() == 3);
  const auto success = world.of("tocsin_agent_collector_success");
  REQUIRE(success.size() == 6);
  CHECK(success[0].labels.get("collector") == "first");
  CHECK(success[0].sample.value == 0);
  CHECK(success[1].sample.value == 1);
  CHECK(success[2].sample.value == 0);
  CHECK(success[4].sample.value == 1);
  // The time of the last failure stays after the recovery.
  const auto errors = world.of("tocsin_agent_collector_last_error_timestamp_seconds");
  REQUIRE(errors.size() == 3);
  CHECK(errors[2].sample.value == errors[1].sample.value);
}

TEST_CASE("limits: samples of a round, a series twice, a label twice, a label that is no text") {
  World world;
  world.use([](MetricSink& sink) {
    sink.add(kX, {{"a", "1"}}, 1);
    sink.add(kX, {{"a", "1"}}, 2);
    sink.add(kX, {{"a", "1"}, {"a", "2"}}, 3);
    sink.add(kX, {{"a", "\xff"}}, 4);
    for (int n = 0; n < 30'000; ++n) {
      const std::string text = std::to_string(n);
      sink.add({"many", ""}, {{"n", text}}, n);
    }
    return base::ok();
  });
  world.sampler.start();
  world.executor.run_for(15s);
  CHECK(world.of("x").size() == 1);
  CHECK(world.of("many").size() == 19'999);
  const auto dropped = [&](const char* reason) {
    return world.metrics.counter("tocsin_agent_samples_dropped_total", "", {{"reason", reason}})
        .value();
  };
  CHECK(dropped("repeated_series") == 1);
  CHECK(dropped("repeated_label") == 1);
  CHECK(dropped("not_utf8") == 1);
  CHECK(dropped("round_limit") >= 10'001);  // And our own metrics, which come last.
}

TEST_CASE("sources answer later, in a batch of their own, and are ended when removed") {
  World world;
  Sampler::Sources sources;
  auto owned = std::make_unique<FakeSource>("target 1");
  FakeSource& source = *owned;
  sources.async.push_back(std::move(owned));
  world.sampler.configure(World::options(), std::move(sources));
  world.sampler.start();
  world.executor.run_for(15s);
  REQUIRE(source.started == 1);
  CHECK(world.batches == 1);
  std::size_t added = 0;
  source.pending([&](RoundSink& sink) {
    sink.add(kX, {{"instance", "app:80"}}, 1);
    sink.add_at({"timed", ""}, {}, 5, 12345);
    added = sink.series_added();
  });
  CHECK(added == 1);
  CHECK(world.batches == 2);
  REQUIRE(world.of("timed").size() == 1);
  CHECK(world.of("timed")[0].sample.timestamp_ms == 12345);

  SUBCASE("an answer that is late holds only its own target up") {
    world.executor.run_for(30s);  // Started once more, the next one is left out.
    CHECK(source.started == 2);
    CHECK(world.metrics.counter("tocsin_agent_source_overruns_total", "").value() == 1);
    CHECK(world.of("tocsin_agent_heartbeat_timestamp_seconds").size() == 3);
  }
  SUBCASE("a failed reading ends the series") {
    world.executor.run_for(15s);
    source.pending([](RoundSink&) {});
    REQUIRE(world.of("x").size() == 2);
    CHECK(model::is_stale(world.of("x")[1].sample.value));
    CHECK(world.of("timed").size() == 1);
  }
  SUBCASE("a reload without it ends its series, and a late answer is dropped") {
    world.executor.run_for(15s);
    auto late = source.pending;
    world.sampler.configure(World::options(), {});
    late([](RoundSink& sink) { sink.add(kX, 7); });
    CHECK(world.of("x").size() == 1);
    world.executor.run_for(15s);
    REQUIRE(world.of("x").size() == 2);
    CHECK(model::is_stale(world.of("x")[1].sample.value));
  }
}

TEST_CASE("a clock that is set costs one gap, no storm, and is counted") {
  World world;
  world.use([](MetricSink& sink) {
    sink.add(kX, 1);
    return base::ok();
  });
  world.sampler.start();
  world.executor.run_for(60s);
  const std::size_t before = world.of("x").size();
  SUBCASE("a day ahead") {
    world.clock.step_wall(24h);
  }
  SUBCASE("two hours back") {
    world.clock.step_wall(-2h);
  }
  world.executor.run_for(60s);
  const std::size_t rounds = world.of("x").size() - before;
  CHECK(rounds >= 4);
  CHECK(rounds <= 5);
  CHECK(world.metrics.counter("tocsin_agent_clock_jumps_total", "").value() == 1);
  CHECK(world.metrics.counter("tocsin_agent_rounds_missed_total", "").value() == 0);
}

TEST_CASE("a round that takes too long leaves out the ones it covered, counted") {
  World world;
  int rounds = 0;
  world.use([&](MetricSink&) {
    if (++rounds == 2) world.clock.advance(40s);
    return base::ok();
  });
  world.sampler.start();
  world.executor.run_for(120s);
  // Eight places in 120 s; the second round covers those 15 s and 30 s after it.
  CHECK(rounds == 6);
  CHECK(world.metrics.counter("tocsin_agent_rounds_missed_total", "").value() == 2);
}

TEST_CASE("a stop writes no stale markers; once runs one round and waits for the sources") {
  World world;
  Sampler::Sources sources;
  auto owned = std::make_unique<FakeSource>("target");
  FakeSource& source = *owned;
  sources.async.push_back(std::move(owned));
  world.sampler.configure(World::options(), std::move(sources));
  bool done = false;
  world.sampler.run_once([&] { done = true; });
  CHECK_FALSE(done);
  source.pending([](RoundSink& sink) { sink.add(kX, 1); });
  CHECK(done);
  world.sampler.stop();
  world.executor.run_for(60s);
  REQUIRE(world.of("x").size() == 1);
  CHECK(world.executor.pending() == 0);
}
