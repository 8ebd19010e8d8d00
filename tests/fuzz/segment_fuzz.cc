// Segments: the input once as a whole file, and once as the payload of a record of a whole segment,
// so that the fuzzer gets past the checksums. Whatever it is, the store opens, reads, copies what
// is good and opens again.
#include <algorithm>
#include <cstdint>
#include <string>

#include "alertd/tsdb/segment_format.h"
#include "alertd/tsdb/store.h"
#include "alertd/tsdb/wal_files.h"
#include "common/base/check.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/sim_executor.h"
#include "common/sim/sim_file_system.h"

namespace {

using namespace tocsin;

void read_everything(const tsdb::Store& store) {
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

void try_segment(const std::string& content) {
  sim::SimFileSystem files;
  base::SimClock clock(base::wall_time(1'700'000'000'000));
  base::SimExecutor executor(clock);
  base::Metrics metrics;
  tsdb::StoreOptions options;
  options.folder = "/data";
  (void)files.create_folders("/data");
  files.set_content("/data/" + tsdb::segment_name(1), content);
  for (int round = 0; round < 2; ++round) {
    const auto store = tsdb::Store::open(options, files, executor, metrics);
    TC_CHECK(store, "a damaged segment must not stop the store");
    read_everything(**store);
    (*store)->request_checkpoint();
    executor.run_for(base::Duration{130'000});  // damaged ones are copied by now
    read_everything(**store);
  }
}

/// A segment of two records: these labels of series 1, and the payload, indexed as series 1's.
std::string segment_of(std::string_view payload) {
  std::string file = tsdb::segment_header(1);
  std::string index;
  const auto add = [&](std::uint64_t ref, std::string_view bytes) {
    tsdb::IndexEntry entry;
    entry.ref = ref;
    entry.offset = static_cast<std::uint32_t>(file.size());
    entry.length = static_cast<std::uint32_t>(bytes.size());
    entry.last = tsdb::IndexEntry::kFar;
    tsdb::put_record(bytes, 1, file.size(), file);
    tsdb::put_raw(entry, index);
  };
  tsdb::LabelsRecord labels;
  labels.put(tsdb::SeriesRef{1}, model::Labels{{"__name__", "up"}});
  std::string first;
  labels.finish(first);
  add(0, first);
  add(payload.front() == '\0' ? 0 : 1, payload);
  tsdb::SegmentFooter footer;
  footer.number = 1;
  footer.index_offset = file.size();
  footer.entries = 2;
  footer.last_ms = INT64_MAX;
  footer.index_check = base::xxh64(index);
  return file + index + tsdb::segment_footer(footer);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  base::set_log_level(base::LogLevel::Error);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  try_segment(bytes);
  if (bytes.empty() || bytes.size() > tsdb::kRecordBytesMax) return 0;
  try_segment(segment_of(bytes));
  try_segment(segment_of('\1' + bytes.substr(0, tsdb::kRecordBytesMax - 1)));
  return 0;
}
