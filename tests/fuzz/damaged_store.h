// A store over one file of any content: whatever it is, the store opens, reads and opens again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "alertd/tsdb/store.h"
#include "common/base/check.h"
#include "common/base/sim_executor.h"
#include "common/sim/sim_file_system.h"

namespace tocsin {

/// What can be read is in order; a damaged chunk may refuse.
inline void read_everything(const tsdb::Store& store) {
  const auto set = store.select({}, INT64_MIN, INT64_MAX, {});
  TC_CHECK(set, "select failed");
  std::vector<model::Sample> samples;
  for (std::size_t i = 0; i < (*set)->size(); ++i) {
    samples.clear();
    if (!(*set)->samples(i, INT64_MIN, INT64_MAX, samples)) continue;
    for (std::size_t k = 1; k < samples.size(); ++k) {
      TC_CHECK(samples[k - 1].timestamp_ms < samples[k].timestamp_ms, "time does not increase");
    }
  }
}

/// Opens a store whose folder holds this file alone, twice, and lets it work for `by` each time.
inline void try_store_file(const std::string& name, const std::string& content, base::Duration by) {
  sim::SimFileSystem files;
  base::SimClock clock(base::wall_time(1'700'000'000'000));
  base::SimExecutor executor(clock);
  base::Metrics metrics;
  tsdb::StoreOptions options;
  options.folder = "/data";
  (void)files.create_folders("/data");
  files.set_content("/data/" + name, content);
  for (int round = 0; round < 2; ++round) {
    const auto store = tsdb::Store::open(options, files, executor, metrics);
    TC_CHECK(store, "a damaged file must not stop the store");
    read_everything(**store);
    (*store)->request_checkpoint();
    executor.run_for(by);
    read_everything(**store);
  }
}

}  // namespace tocsin
