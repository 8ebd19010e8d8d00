// A store on a simulated disk and clock, for the tests of alertd/tsdb and whoever needs a store.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "alertd/tsdb/store.h"
#include "common/base/metrics.h"
#include "common/base/sim_executor.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::tsdb {

inline constexpr std::int64_t kNow = 1'700'000'000'000;

using Contents = std::map<std::string, std::vector<model::Sample>>;

/// Opens and reopens a store; append() runs until the answer is there.
struct TestStore {
  base::SimClock clock{base::wall_time(kNow)};
  base::SimExecutor executor{clock};
  std::unique_ptr<base::Metrics> metrics = std::make_unique<base::Metrics>();
  sim::SimFileSystem files;
  StoreOptions options;
  std::unique_ptr<Store> store;

  explicit TestStore(std::uint64_t seed = 1) : files(seed) { options.folder = "/data"; }
  ~TestStore() { store.reset(); }

  base::Result<void> open() {
    store.reset();
    executor.run_ready();
    metrics = std::make_unique<base::Metrics>();
    TC_TRY(store, Store::open(options, files, executor, *metrics));
    return base::ok();
  }

  std::optional<base::Result<model::AppendOutcome>> append_batch(model::WriteBatch batch) {
    // Shared: the answer may come after this call has returned.
    auto answer = std::make_shared<std::optional<base::Result<model::AppendOutcome>>>();
    store->append(std::make_shared<const model::WriteBatch>(std::move(batch)),
                  [answer](base::Result<model::AppendOutcome> result) {
                    answer->emplace(std::move(result));
                  });
    executor.run_ready();
    return *answer;
  }
  std::optional<base::Result<model::AppendOutcome>> append(const model::Labels& labels,
                                                           std::int64_t timestamp_ms,
                                                           double value) {
    model::WriteBatch batch;
    batch.add(labels, {timestamp_ms, value});
    return append_batch(std::move(batch));
  }
  bool appended(const model::Labels& labels, std::int64_t timestamp_ms, double value) {
    const auto answer = append(labels, timestamp_ms, value);
    return answer && *answer && (*answer)->samples_appended == 1;
  }

  Contents contents(std::vector<model::Matcher> matchers = {},
                    std::int64_t begin = std::numeric_limits<std::int64_t>::min(),
                    std::int64_t end = std::numeric_limits<std::int64_t>::max()) const {
    Contents all;
    const auto set = store->select(matchers, begin, end, {});
    if (!set) return all;
    for (std::size_t i = 0; i < (*set)->size(); ++i) {
      auto& samples = all[(*set)->labels(i).to_string()];
      if (!(*set)->samples(i, begin, end, samples)) samples.push_back({-1, -1});
    }
    return all;
  }

  double metric(const std::string& name, const std::string& reason = "") const {
    for (const base::MetricPoint& point : metrics->points()) {
      if (point.name != name) continue;
      const auto at = point.labels.find("reason");
      if (reason.empty() || (at != point.labels.end() && at->second == reason)) return point.value;
    }
    return -1;
  }
};

}  // namespace tocsin::tsdb
