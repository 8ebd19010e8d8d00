#include "agent/backup/paced_file.h"

#include <algorithm>

#include "common/base/mutex.h"

namespace tocsin::agent {

using base::Result;

namespace {

constexpr std::size_t kChunkBytes = 256 << 10;
constexpr base::Duration kSlice{200};

}  // namespace

void pause_for(base::Duration duration) {
  base::Mutex mutex;
  base::Condition never;
  const base::MutexLock lock(mutex);
  never.wait_for(mutex, duration, [] { return false; });
}

Pace::Pace(const base::Clock& clock, std::uint64_t bytes_per_second,
           std::function<Result<void>()> check)
    : clock_(clock),
      bytes_per_second_(bytes_per_second),
      check_(std::move(check)),
      began_(clock.monotonic()) {}

Result<void> Pace::spend(std::size_t bytes) {
  bytes_ += bytes;
  if (check_) TC_TRY(check_());
  if (bytes_per_second_ == 0) return base::ok();
  const std::chrono::duration<double> due(static_cast<double>(bytes_) /
                                          static_cast<double>(bytes_per_second_));
  for (;;) {
    const std::chrono::duration<double> ahead = due - (clock_.monotonic() - began_);
    if (ahead.count() <= 0.001) return base::ok();
    pause_for(std::min(kSlice, std::chrono::ceil<base::Duration>(ahead)));
    if (check_) TC_TRY(check_());
  }
}

Result<PacedFile> PacedFile::open(const base::FileSystem& files, const std::string& path,
                                  Pace& pace) {
  TC_TRY(auto file, files.open_read(path));
  return PacedFile(std::move(file), pace);
}

Result<std::string_view> PacedFile::next() {
  TC_TRY(chunk_, file_->read_at(offset_, kChunkBytes));
  offset_ += chunk_.size();
  if (!chunk_.empty()) TC_TRY(pace_->spend(chunk_.size()));
  return std::string_view(chunk_);
}

}  // namespace tocsin::agent
