#include "alertd/tsdb/wal.h"

#include "alertd/tsdb/wal_files.h"
#include "common/base/log.h"

namespace tocsin::tsdb {
base::Error Wal::poison(base::Error error) {
  file_.reset();
  return base::with_context(std::move(error), "write-ahead log");
}

base::Result<void> Wal::open_log() {
  const std::uint64_t number = next_number_;
  auto file = files_.open_append(base::join_path(folder_, log_name(number)), 0640);
  if (!file) return poison(std::move(file).error());
  // Also when the folder cannot be synced the number is used up: the file may be there.
  ++next_number_;
  if (auto synced = files_.sync_folder(folder_); !synced) return poison(std::move(synced).error());
  file_ = std::move(*file);
  number_ = number;
  logs_[number] = file_->size();
  good_bytes_ = file_->size();
  return base::ok();
}

base::Result<void> Wal::append(std::string_view frames) {
  if (poisoned()) {
    return base::error(base::ErrorCode::Unavailable,
                       "the write-ahead log waits for the disk to work again");
  }
  if (file_->size() > 0 && file_->size() + frames.size() > file_bytes_) {
    TC_TRY(rotate());
  }
  if (auto written = file_->append(frames); !written) return poison(std::move(written).error());
  logs_[number_] = file_->size();
  return base::ok();
}

base::Result<void> Wal::sync() {
  if (poisoned()) {
    return base::error(base::ErrorCode::Unavailable,
                       "the write-ahead log waits for the disk to work again");
  }
  if (auto synced = file_->sync(); !synced) return poison(std::move(synced).error());
  return base::ok();
}

base::Result<std::uint64_t> Wal::rotate() {
  TC_TRY(sync());
  accept();
  TC_TRY(open_log());
  return number_;
}

base::Result<void> Wal::reopen() {
  if (number_ != 0 && logs_.contains(number_)) {
    const std::string path = base::join_path(folder_, log_name(number_));
    if (const auto cut = files_.truncate(path, good_bytes_); cut) {
      logs_[number_] = good_bytes_;
    } else {
      base::log_warning(kComponent, "{}: its suspect end stays: {}", log_name(number_),
                        cut.error().message);
    }
  }
  return open_log();
}

std::size_t Wal::remove_before(std::uint64_t number) {
  std::size_t failed = 0;
  for (auto at = logs_.begin(); at != logs_.end() && at->first < number;) {
    const auto removed = files_.remove(base::join_path(folder_, log_name(at->first)));
    if (!removed && removed.error().code != base::ErrorCode::NotFound) {
      base::log_warning(kComponent, "{}", removed.error().message);
      ++failed;
      ++at;
    } else {
      at = logs_.erase(at);
    }
  }
  return failed;
}

std::uint64_t Wal::bytes() const {
  std::uint64_t total = 0;
  for (const auto& [number, bytes] : logs_) total += bytes;
  return total;
}

std::vector<std::uint64_t> Wal::numbers() const {
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, bytes] : logs_) numbers.push_back(number);
  return numbers;
}

}  // namespace tocsin::tsdb
