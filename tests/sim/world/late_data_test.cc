// Samples that arrive late, through the store and the rules: they become part of the past, and what
// is true now stays as it is.
#include <doctest/doctest.h>

#include <algorithm>

#include "alertd/ruler/ruler.h"
#include "alertd/ruler/test_world.h"
#include "alertd/tsdb/store.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::ruler {
namespace {

using base::Duration;
using model::Labels;
using std::chrono::minutes;
using std::chrono::seconds;

const Labels kLoad{{"__name__", "load1"}, {"host", "a"}};
const Labels kCount{{"__name__", "errors_total"}, {"host", "a"}};

/// A store with the default window of ten minutes, and rules over it every 15 s.
struct LateWorld {
  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  base::SimExecutor executor{clock};
  base::Metrics metrics;
  sim::SimFileSystem files;
  promql::Engine engine;
  RecordingSink sink;
  std::unique_ptr<tsdb::Store> store;
  std::unique_ptr<Ruler> ruler;

  explicit LateWorld(const std::string& expr, const std::string& more = "") {
    tsdb::StoreOptions options;
    options.folder = "/store";
    REQUIRE(files.create_folders("/store"));
    auto opened = tsdb::Store::open(options, files, executor, metrics);
    REQUIRE(opened);
    store = std::move(*opened);
    REQUIRE(files.create_folders("/rules"));
    const std::string rules =
        "groups:\n- name: g\n  interval: 15s\n  rules:\n  - alert: High\n    expr: " + expr + "\n" +
        more;
    REQUIRE(files.write_atomic("/rules/a.yml", rules, 0644));
    RulerOptions ruler_options;
    ruler_options.paths = {"/rules"};
    const RulerWorld world{executor, engine, *store, *store, sink, metrics};
    ruler = std::make_unique<Ruler>(world, ruler_options, files);
    REQUIRE(ruler->load().ok);
    executor.run_ready();
  }
  ~LateWorld() {
    ruler->stop();
    executor.run_for(minutes(2));
  }

  model::AppendOutcome send(const Labels& labels, double value, Duration age = Duration{0}) {
    auto batch = std::make_shared<model::WriteBatch>();
    batch->add(labels, {base::to_ms(clock.wall() - age), value});
    model::AppendOutcome outcome;
    store->append(batch, [&](auto result) {
      REQUIRE(result);
      outcome = *result;
    });
    executor.run_ready();
    return outcome;
  }
  void run(Duration time, double value) {
    for (Duration passed{0}; passed < time; passed += seconds(15)) {
      send(kLoad, value);
      executor.run_for(seconds(15));
    }
  }
  /// "firing" and "resolved" as receivers would hear them, repetitions left out.
  std::vector<std::string> told() const {
    std::vector<std::string> all;
    for (const model::Alert& alert : sink.alerts) {
      const std::string what = alert.ends_at ? "resolved" : "firing";
      if (all.empty() || all.back() != what) all.push_back(what);
    }
    return all;
  }
};

using Told = std::vector<std::string>;

}  // namespace

TEST_CASE("a late dip does not end what fires, nor begin its for anew") {
  LateWorld world("load1 > 4", "    for: 2m\n");
  world.run(minutes(1), 5);
  CHECK(world.send(kLoad, 1, seconds(37)).samples_appended == 1);
  world.run(minutes(1) + seconds(30), 5);
  CHECK(world.told() == Told{"firing"});
  CHECK(world.send(kLoad, 1, minutes(2) + seconds(11)).samples_appended == 1);
  world.run(minutes(2), 5);
  CHECK(world.told() == Told{"firing"});
}

TEST_CASE("a late peak pages nobody") {
  LateWorld world("load1 > 4");
  world.run(minutes(10), 1);
  for (const int age : {20, 100, 300, 590}) {
    CHECK(world.send(kLoad, 99, seconds(age) + Duration{7}).samples_appended == 1);
    world.run(seconds(30), 1);
  }
  CHECK(world.told().empty());
}

TEST_CASE("a late peak counts in the window that it belongs to") {
  LateWorld world("max_over_time(load1[5m]) > 4");
  world.run(minutes(10), 1);
  world.send(kLoad, 99, minutes(8) + seconds(7));
  world.run(minutes(1), 1);
  CHECK(world.told().empty());
  world.send(kLoad, 99, minutes(3) + seconds(7));
  world.run(minutes(1), 1);
  CHECK(world.told() == Told{"firing"});
  world.run(minutes(2), 1);
  CHECK(world.told() == Told{"firing", "resolved"});
}

TEST_CASE("a counter filled up late neither resets nor jumps") {
  LateWorld world("increase(errors_total[5m]) > 100 or resets(errors_total[5m]) > 0");
  // One more each second; the minutes 4 and 5 come three minutes late.
  std::vector<Duration> missing;
  for (int i = 0; i < 60; ++i) {
    const bool hole = i >= 16 && i < 24;
    if (!hole) world.send(kCount, 0.3 * 15 * i);
    if (i == 36) {
      for (int k = 16; k < 24; ++k) {
        CHECK(world.send(kCount, 0.3 * 15 * k, seconds(15 * (i - k))).samples_appended == 1);
      }
    }
    world.executor.run_for(seconds(15));
  }
  // 0.3 a second: 90 in five minutes, on every evaluation.
  CHECK(world.told().empty());
}

TEST_CASE("what has ended stays so, whatever arrives from before its end") {
  LateWorld world("load1 > 4");
  world.run(minutes(2), 5);
  CHECK(world.told() == Told{"firing"});
  world.send(kLoad, model::stale_marker());
  world.executor.run_for(seconds(30));
  CHECK(world.told() == Told{"firing", "resolved"});
  world.send(kLoad, 9, seconds(33));
  world.send(kLoad, 9, seconds(50));
  world.executor.run_for(minutes(1));
  CHECK(world.told() == Told{"firing", "resolved"});
  // Newer than the marker: it is back.
  world.send(kLoad, 9, seconds(10));
  world.executor.run_for(seconds(15));
  CHECK(world.told() == Told{"firing", "resolved", "firing"});
}

TEST_CASE("a sender that was cut off for four minutes: the backlog changes nothing") {
  LateWorld world("load1 > 4", "    for: 10m\n");
  world.run(minutes(5), 5);
  world.executor.run_for(minutes(4));  // nothing comes; the last value is within the lookback
  for (int age = 225; age >= 0; age -= 15) world.send(kLoad, 5, seconds(age));
  world.run(seconds(45), 5);
  CHECK(world.told().empty());
  world.run(minutes(1), 5);
  CHECK(world.told() == Told{"firing"});  // ten minutes after it began
}

TEST_CASE("later than the window: refused, counted, without effect") {
  LateWorld world("max_over_time(load1[30m]) > 4");
  world.run(minutes(12), 1);
  const model::AppendOutcome outcome = world.send(kLoad, 99, minutes(11));
  CHECK(outcome.samples_appended == 0);
  CHECK(outcome.samples_out_of_order == 1);
  world.run(minutes(1), 1);
  CHECK(world.told().empty());
}

}  // namespace tocsin::ruler
