#include "alertd/tsdb/checkpoint.h"

#include "alertd/tsdb/wal_files.h"
#include "alertd/tsdb/wal_format.h"
#include "common/base/log.h"

namespace tocsin::tsdb {
namespace {

/// Syncing as we go keeps the last sync short: it stops the acknowledgements.
constexpr std::uint64_t kSyncBytes = 32 << 20;

void put_end(std::uint64_t series, std::string& frames) {
  std::string payload;
  while (series >= 0x80) {
    payload += static_cast<char>((series & 0x7fU) | 0x80U);
    series >>= 7U;
  }
  payload += static_cast<char>(series);
  put_frame(RecordType::End, payload, frames);
}

}  // namespace

std::string CheckpointWriter::temporary_path() const {
  return base::join_path(folder_, checkpoint_name(number_) + std::string(kTemporarySuffix));
}

base::Result<std::unique_ptr<CheckpointWriter>> CheckpointWriter::begin(base::FileSystem& files,
                                                                        const std::string& folder,
                                                                        std::uint64_t number) {
  std::unique_ptr<CheckpointWriter> writer(new CheckpointWriter(files, folder, number));
  const std::string path = writer->temporary_path();
  // Left by an attempt whose removal failed; appending to it would mix two checkpoints.
  if (files.exists(path)) TC_TRY(files.remove(path));
  TC_TRY(writer->file_, files.open_append(path, 0640));
  return writer;
}

CheckpointWriter::~CheckpointWriter() {
  if (finished_ || file_ == nullptr) return;
  file_.reset();
  if (const auto removed = files_.remove(temporary_path()); !removed) {
    base::log_warning("alertd/tsdb", "{}", removed.error().message);
  }
}

base::Result<void> CheckpointWriter::flush() {
  if (!payload_.empty()) put_frame(RecordType::State, payload_, frames_);
  payload_.clear();
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
    put_state(*series, payload_);
    ++series_;
    ++done;
    if (payload_.size() >= kFrameBytesGoal) TC_TRY(flush());
  }
  TC_TRY(flush());
  return next_slot_ >= table.slot_end();
}

base::Result<std::uint64_t> CheckpointWriter::finish() {
  put_end(series_, frames_);
  TC_TRY(flush());
  TC_TRY(file_->sync());
  const std::uint64_t size = file_->size();
  TC_TRY(files_.rename(temporary_path(), base::join_path(folder_, checkpoint_name(number_))));
  // From here the file has its name, whatever the sync says: the destructor must not look for it.
  finished_ = true;
  TC_TRY(files_.sync_folder(folder_));
  return size;
}

}  // namespace tocsin::tsdb
