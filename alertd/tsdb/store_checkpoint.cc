// Checkpoints: series and what of them is in no segment, so that the log before can go.
#include "alertd/tsdb/checkpoint.h"
#include "alertd/tsdb/store_core.h"
#include "alertd/tsdb/wal_files.h"
#include "common/base/log.h"

namespace tocsin::tsdb {
void Store::Core::request_checkpoint() {
  executor_.post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->checkpoint_wanted_ = true;
    self->checkpoint_not_before_ = {};
    self->start_work();
  });
}

void Store::Core::start_checkpoint() {
  const auto number = wal_->rotate();
  if (!number) {
    disk_failed(number.error());
    return;
  }
  unsynced_ = false;  // rotate() has synced
  auto begun =
      CheckpointJob::begin(files_, options_.folder, *number, segments_.next_number(), head_);
  if (!begun) {
    checkpoint_failed(begun.error());
    return;
  }
  checkpoint_wanted_ = false;
  CheckpointJob& work = **begun;
  run(std::move(*begun), [this, &work](const base::Result<void>& done) {
    if (done) {
      checkpoint_done(work.number(), work.bytes());
    } else {
      checkpoint_failed(done.error());
    }
  });
}

void Store::Core::checkpoint_done(std::uint64_t number, std::uint64_t bytes) {
  checkpoint_bytes_ = bytes;
  metrics_.checkpoints.increment();
  // Only now, with the checkpoint on disk under its name: what it replaces may go.
  put_damaged_aside();
  wal_->remove_before(number);
  remove_old_checkpoints(number);
}

void Store::Core::checkpoint_failed(const base::Error& error) {
  metrics_.checkpoint_failures.increment();
  checkpoint_not_before_ = executor_.clock().monotonic() + options_.maintenance_interval;
  base::log_error(kComponent, "checkpoint given up, the log stays as it is: {}", error.message);
}

void Store::Core::checkpoint_at_once() {
  const auto write = [this]() -> base::Result<void> {
    TC_TRY(const std::uint64_t number, wal_->rotate());
    TC_TRY(const auto job,
           CheckpointJob::begin(files_, options_.folder, number, segments_.next_number(), head_));
    for (bool done = false; !done;) {
      TC_TRY(done, job->step());
    }
    checkpoint_done(number, job->bytes());
    return base::ok();
  };
  if (const auto written = write(); !written) checkpoint_failed(written.error());
}

void Store::Core::put_damaged_aside() {
  for (const std::string& name : damaged_files_) {
    const std::string path = base::join_path(options_.folder, name);
    const auto moved = files_.rename(path, path + std::string(kDamagedSuffix));
    if (!moved) base::log_error(kComponent, "{}", moved.error().message);
  }
  if (!damaged_files_.empty()) {
    if (const auto synced = files_.sync_folder(options_.folder); !synced) {
      base::log_error(kComponent, "{}", synced.error().message);
    }
  }
  damaged_files_.clear();
}

void Store::Core::remove_old_checkpoints(std::uint64_t number) {
  const auto names = files_.list(options_.folder);
  if (!names) {
    base::log_warning(kComponent, "{}", names.error().message);
    return;
  }
  for (const std::string& name : *names) {
    const auto old = checkpoint_number(name);
    if (!old || *old >= number) continue;
    if (const auto removed = files_.remove(base::join_path(options_.folder, name)); !removed) {
      base::log_warning(kComponent, "{}", removed.error().message);
    }
  }
}

}  // namespace tocsin::tsdb
