// A whole world around rule groups, in simulated time. For tests only.
#pragma once

#include <string>
#include <vector>

#include "alertd/ruler/group.h"
#include "alertd/ruler/memory_store.h"
#include "common/base/sim_executor.h"

namespace tocsin::ruler {

/// Remembers what it was told.
class RecordingSink final : public model::AlertSink {
 public:
  void post(std::vector<model::Alert> posted) override {
    for (model::Alert& alert : posted) alerts.push_back(std::move(alert));
  }
  std::vector<model::Alert> alerts;
};

/// Acknowledges after a delay, or refuses, or never answers.
class SlowAppender final : public model::Appender {
 public:
  SlowAppender(MemoryStore& store, base::Executor& executor) : store_(store), executor_(executor) {}

  void append(std::shared_ptr<const model::WriteBatch> batch, model::AppendDone done) override {
    ++batches;
    if (refuse) {
      executor_.post([done = std::move(done)] {
        done(base::error(base::ErrorCode::Unavailable, "the queue is full"));
      });
      return;
    }
    executor_.post_after(delay, [this, batch, done = std::move(done)]() mutable {
      store_.append(batch, std::move(done));
    });
  }

  base::Duration delay{0};
  bool refuse = false;
  std::size_t batches = 0;

 private:
  MemoryStore& store_;
  base::Executor& executor_;
};

struct TestWorld {
  base::SimClock clock{base::wall_time(1'700'000'000'000)};
  base::SimExecutor executor{clock};
  promql::Engine engine;
  MemoryStore store;
  SlowAppender appender{store, executor};
  RecordingSink sink;
  base::Metrics metrics;
  RulerWorld world{executor, engine, store, appender, sink, metrics};

  /// Adds a sample now.
  void add(const model::Labels& labels, double value) {
    store.add(labels, {base::to_ms(clock.wall()), value});
  }
  /// Returns the sum of a metric over its series.
  double metric(const std::string& name) const {
    double sum = 0;
    for (const base::MetricPoint& point : metrics.points()) {
      if (point.name == name) sum += point.value;
    }
    return sum;
  }
};

}  // namespace tocsin::ruler
