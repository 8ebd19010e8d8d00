// Log files: the input once as a whole file, and once as a payload inside a good frame of each
// type, so that the fuzzer gets past the checksum. Whatever it is, the store opens, reads and opens
// again.
#include <cstdint>
#include <string>
#include <vector>

#include "alertd/tsdb/store.h"
#include "alertd/tsdb/wal_files.h"
#include "alertd/tsdb/wal_format.h"
#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/sim_executor.h"
#include "common/sim/sim_file_system.h"

namespace {

using namespace tocsin;

void read_all(const tsdb::Store& store) {
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

void try_file(const std::string& name, const std::string& content) {
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
    read_all(**store);
    (*store)->request_checkpoint();
    executor.run_for(base::Duration{1000});
  }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  base::set_log_level(base::LogLevel::Error);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try_file(tsdb::log_name(1), std::string(bytes));
  for (int type = 1; type <= 6; ++type) {
    std::string framed;
    tsdb::put_frame(static_cast<tsdb::RecordType>(type), bytes, framed);
    try_file(type < 3 ? tsdb::log_name(1) : tsdb::checkpoint_name(1), framed);
  }
  return 0;
}
