#include "alertd/tsdb/segment_writer.h"

#include <fmt/core.h>

#include <algorithm>

#include "alertd/tsdb/wal_files.h"
#include "common/base/hash.h"
#include "common/base/log.h"

namespace tocsin::tsdb {
namespace {

constexpr std::size_t kWriteBytes = 1 << 20;
/// Syncing as we go keeps the last sync short: it stops the acknowledgements.
constexpr std::uint64_t kSegmentSyncBytes = 8 << 20;
constexpr std::size_t kLabelsRecordGoal = 32 << 10;

}  // namespace

SegmentWriter::SegmentWriter(base::FileSystem& files, std::string folder, std::uint64_t number)
    : files_(files), folder_(std::move(folder)), number_(number), buffer_(segment_header(number)) {}

std::string SegmentWriter::temporary_path() const {
  return base::join_path(folder_, segment_name(number_) + std::string(kTemporarySuffix));
}

base::Result<std::unique_ptr<SegmentWriter>> SegmentWriter::begin(base::FileSystem& files,
                                                                  const std::string& folder,
                                                                  std::uint64_t number) {
  std::unique_ptr<SegmentWriter> writer(new SegmentWriter(files, folder, number));
  const std::string path = writer->temporary_path();
  // Left by an attempt whose removal failed.
  if (files.exists(path)) TC_TRY(files.remove(path));
  TC_TRY(writer->file_, files.open_append(path, 0640));
  return writer;
}

SegmentWriter::~SegmentWriter() {
  if (finished_ || file_ == nullptr) return;
  file_.reset();
  const std::string path =
      named_ ? base::join_path(folder_, segment_name(number_)) : temporary_path();
  if (const auto removed = files_.remove(path); !removed) {
    base::log_warning(kComponent, "{}", removed.error().message);
  }
}

base::Result<void> SegmentWriter::flush() {
  TC_TRY(file_->append(buffer_));
  offset_ += buffer_.size();
  unsynced_bytes_ += buffer_.size();
  buffer_.clear();
  if (unsynced_bytes_ < kSegmentSyncBytes) return base::ok();
  unsynced_bytes_ = 0;
  return file_->sync();
}

base::Result<void> SegmentWriter::put(Record record, std::string_view payload) {
  if (bytes() + payload.size() + kRecordHeaderBytes > kSegmentBytesMax) {
    return base::error(
        base::ErrorCode::LimitExceeded,
        fmt::format("{} would be larger than {} bytes", segment_name(number_), kSegmentBytesMax));
  }
  record.entry.offset = static_cast<std::uint32_t>(bytes());
  record.entry.length = static_cast<std::uint32_t>(payload.size());
  records_.push_back(record);
  put_record(payload, number_, bytes(), buffer_);
  return buffer_.size() < kWriteBytes ? base::ok() : flush();
}

base::Result<void> SegmentWriter::close_record() {
  if (payload_.empty()) return base::ok();
  TC_TRY(put(record_, payload_));
  payload_.clear();
  return base::ok();
}

base::Result<void> SegmentWriter::close_labels() {
  if (labels_.empty()) return base::ok();
  std::string payload;
  labels_.finish(payload);
  return put({}, payload);
}

base::Result<void> SegmentWriter::add(SeriesRef ref, const ChunkView& chunk, std::int64_t last_ms) {
  if (record_.entry.ref != ref.value || payload_.size() >= kRecordBytesGoal) {
    TC_TRY(close_record());
  }
  if (payload_.empty()) {
    record_ = {};
    record_.entry.ref = ref.value;
    begin_chunks(ref, payload_);
  }
  put_stored_chunk(packer_.pack(chunk), last_ms, payload_);
  record_.first_ms = std::min(record_.first_ms, chunk.first_ms);
  record_.last_ms = std::max(record_.last_ms, last_ms);
  samples_ += chunk.count;
  return base::ok();
}

base::Result<void> SegmentWriter::add_labels(SeriesRef ref, const model::Labels& labels) {
  // A set of labels larger than a record stays out: a segment without them is still readable as
  // long as the checkpoint is.
  if (labels.packed().size() > kRecordBytesMax / 4) return base::ok();
  labels_.put(ref, labels);
  return labels_.size() < kLabelsRecordGoal ? base::ok() : close_labels();
}

base::Result<void> SegmentWriter::finish(const std::vector<std::uint64_t>& replaces) {
  TC_TRY(close_record());
  TC_TRY(close_labels());
  std::stable_sort(records_.begin(), records_.end(),
                   [](const Record& a, const Record& b) { return a.entry.ref < b.entry.ref; });
  SegmentFooter footer;
  footer.number = number_;
  footer.index_offset = bytes();
  footer.entries = records_.size();
  footer.replaced = replaces.size();
  footer.samples = samples_;
  footer.first_ms = std::numeric_limits<std::int64_t>::max();
  footer.last_ms = std::numeric_limits<std::int64_t>::min();
  for (const Record& record : records_) {
    footer.first_ms = std::min(footer.first_ms, record.first_ms);
    footer.last_ms = std::max(footer.last_ms, record.last_ms);
  }
  std::string index;
  index.reserve(records_.size() * sizeof(IndexEntry));
  for (Record& record : records_) {
    record.entry.first = IndexEntry::relative(record.first_ms, footer.first_ms);
    record.entry.last = IndexEntry::relative(record.last_ms, footer.first_ms);
    put_raw(record.entry, index);
  }
  for (const std::uint64_t number : replaces) put_raw(number, index);
  footer.index_check = base::xxh64(index);
  buffer_ += index;
  buffer_ += segment_footer(footer);
  TC_TRY(file_->append(buffer_));
  offset_ += buffer_.size();
  buffer_.clear();
  TC_TRY(file_->sync());
  TC_TRY(files_.rename(temporary_path(), base::join_path(folder_, segment_name(number_))));
  named_ = true;
  TC_TRY(files_.sync_folder(folder_));
  finished_ = true;
  return base::ok();
}

}  // namespace tocsin::tsdb
