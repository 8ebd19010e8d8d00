// Segments: the input once as a whole file, and once as the payload of a record of a whole segment,
// so that the fuzzer gets past the checksums. Whatever it is, the store opens, reads, copies what
// is good and opens again.
#include <algorithm>
#include <cstdint>
#include <string>

#include "alertd/tsdb/segment_format.h"
#include "alertd/tsdb/wal_files.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "tests/fuzz/damaged_store.h"

namespace {

using namespace tocsin;

constexpr base::Duration kUntilCopied{130'000};  ///< Damaged segments are copied by then.

void try_segment(const std::string& content) {
  try_store_file(tsdb::segment_name(1), content, kUntilCopied);
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
