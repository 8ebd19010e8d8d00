#include "alertd/tsdb/checkpoint.h"

#include <utility>

#include "alertd/tsdb/wal_files.h"
#include "alertd/tsdb/wal_format.h"
#include "common/base/log.h"

namespace tocsin::tsdb {
namespace {

/// Syncing as we go keeps the last sync short: it stops the acknowledgements.
constexpr std::uint64_t kSyncBytes = 32 << 20;
/// Series written between two groups of batches: a few milliseconds.
constexpr std::size_t kCheckpointSlice = 4096;

void put_number_frame(RecordType type, std::uint64_t number, std::string& frames) {
  std::string payload;
  put_number(number, payload);
  put_frame(type, payload, frames);
}

}  // namespace

std::string CheckpointWriter::temporary_path() const {
  return base::join_path(folder_, checkpoint_name(number_) + std::string(kTemporarySuffix));
}

base::Result<std::unique_ptr<CheckpointWriter>> CheckpointWriter::begin(
    base::FileSystem& files, const std::string& folder, std::uint64_t number,
    std::uint64_t next_segment) {
  std::unique_ptr<CheckpointWriter> writer(new CheckpointWriter(files, folder, number));
  const std::string path = writer->temporary_path();
  // Left by an attempt whose removal failed; appending to it would mix two checkpoints.
  if (files.exists(path)) TC_TRY(files.remove(path));
  TC_TRY(writer->file_, files.open_append(path, 0640));
  put_number_frame(RecordType::Begin, next_segment, writer->frames_);
  return writer;
}

CheckpointWriter::~CheckpointWriter() {
  if (finished_ || file_ == nullptr) return;
  file_.reset();
  if (const auto removed = files_.remove(temporary_path()); !removed) {
    base::log_warning(kComponent, "{}", removed.error().message);
  }
}

// Labels of young series stand here only, and the log after this has their samples: a second time,
// one frame later. Those of others are in segments.
void CheckpointWriter::put_labels_before() {
  if (!labels_before_.empty()) put_frame(RecordType::Series, labels_before_, frames_);
  labels_before_ = std::exchange(labels_, {});
}

base::Result<void> CheckpointWriter::flush() {
  if (!heads_.empty()) {
    std::string payload;
    heads_.finish(payload);
    put_frame(RecordType::Heads, payload, frames_);
    put_labels_before();
  }
  TC_TRY(file_->append(frames_));
  unsynced_bytes_ += frames_.size();
  frames_.clear();
  if (unsynced_bytes_ < kSyncBytes) return base::ok();
  unsynced_bytes_ = 0;
  return file_->sync();
}

base::Result<bool> CheckpointWriter::step(const SeriesTable& table, std::size_t series_max) {
  std::size_t done = 0;
  for (; next_slot_ < table.slot_end() && done < series_max; ++next_slot_) {
    const auto& series = table.get(next_slot_);
    if (series == nullptr) continue;
    heads_.add(*series);
    if (!series->on_disk) put_series(series->ref(), series->labels(), labels_);
    ++series_;
    ++done;
    if (heads_.size() >= kFrameBytesGoal) TC_TRY(flush());
  }
  TC_TRY(flush());
  return next_slot_ >= table.slot_end();
}

base::Result<std::uint64_t> CheckpointWriter::finish() {
  put_labels_before();
  put_number_frame(RecordType::End, series_, frames_);
  TC_TRY(flush());
  TC_TRY(file_->sync());
  const std::uint64_t size = file_->size();
  TC_TRY(files_.rename(temporary_path(), base::join_path(folder_, checkpoint_name(number_))));
  // From here the file has its name, whatever the sync says: the destructor must not look for it.
  finished_ = true;
  TC_TRY(files_.sync_folder(folder_));
  return size;
}

base::Result<std::unique_ptr<CheckpointJob>> CheckpointJob::begin(base::FileSystem& files,
                                                                  const std::string& folder,
                                                                  std::uint64_t number,
                                                                  std::uint64_t next_segment,
                                                                  const Head& head) {
  TC_TRY(auto writer, CheckpointWriter::begin(files, folder, number, next_segment));
  return std::unique_ptr<CheckpointJob>(new CheckpointJob(std::move(writer), head));
}

base::Result<bool> CheckpointJob::step() {
  TC_TRY(const bool written, head_.read([&](const SeriesTable& table) {
    return writer_->step(table, kCheckpointSlice);
  }));
  if (!written) return false;
  TC_TRY(bytes_, writer_->finish());
  return true;
}

}  // namespace tocsin::tsdb
