#include "alertd/tsdb/store_core.h"

#include <fmt/core.h>

#include <algorithm>

#include "alertd/tsdb/wal_files.h"
#include "common/base/log.h"

namespace tocsin::tsdb {
namespace {

constexpr std::string_view kComponent = "alertd/tsdb";
/// Series written between two groups of batches: a few milliseconds.
constexpr std::size_t kCheckpointSlice = 4096;

}  // namespace

Store::Core::Core(const StoreOptions& options, base::FileSystem& files, base::Executor& executor,
                  base::Metrics& metrics)
    : options_(options),
      files_(files),
      executor_(executor),
      metrics_(metrics),
      head_(options.out_of_order_window.count(), options.series_max),
      retention_clock_(executor.clock()) {}

base::Result<void> Store::Core::open() {
  const base::MonotonicTime begin = executor_.clock().monotonic();
  auto loaded = head_.load([&](SeriesTable& table) {
    return replay(files_, options_.folder, table, options_.out_of_order_window.count());
  });
  if (!loaded) {
    return base::with_context(std::move(loaded).error(),
                              fmt::format("reading the store in '{}'", options_.folder));
  }
  ReplayReport& report = *loaded;
  metrics_.damaged_files.increment(static_cast<double>(report.damaged_files.size()));
  metrics_.damaged_bytes.increment(static_cast<double>(report.damaged_bytes));
  metrics_.torn_bytes.increment(static_cast<double>(report.torn_bytes));
  metrics_.samples_lost_unknown_series.increment(
      static_cast<double>(report.samples_unknown_series));
  checkpoint_bytes_ = report.checkpoint_bytes;
  damaged_files_ = std::move(report.damaged_files);
  wal_ = std::make_unique<Wal>(files_, options_.folder, options_.log_file_bytes,
                               std::move(report.segments), report.next_number);
  head_.find_newest();
  apply_retention();
  const double seconds =
      std::chrono::duration<double>(executor_.clock().monotonic() - begin).count();
  metrics_.replay_seconds.set(seconds);
  base::log_info(kComponent, "{} series with {} samples read in {:.2f} s", head_.series_count(),
                 report.samples, seconds);
  publish_status("");
  if (const auto opened = wal_->reopen(); !opened) {
    disk_failed(opened.error());
    return base::ok();
  }
  if (!damaged_files_.empty()) {
    if (const auto written = checkpoint_at_once(); !written) checkpoint_failed(written.error());
  }
  return base::ok();
}

void Store::Core::start_timers() {
  later(options_.maintenance_interval, [](Core& self) { self.maintain(); });
  if (options_.fsync == Fsync::Interval) {
    later(options_.fsync_interval, [](Core& self) { self.sync_interval(); });
  }
}

void Store::Core::shut_down() {
  std::deque<Queued> waiting;
  {
    const base::MutexLock lock(queue_mutex_);
    closed_ = true;
    waiting.swap(queue_);
    queued_samples_ = 0;
  }
  for (Queued& item : waiting) {
    if (item.done) {
      item.done(base::error(base::ErrorCode::Unavailable, "the store is shutting down"));
    }
  }
  checkpoint_.reset();
  if (unsynced_ && !wal_->poisoned()) {
    if (const auto synced = wal_->sync(); !synced) {
      base::log_error(kComponent, "{}", synced.error().message);
    }
  }
}

StoreStatus Store::Core::status() const {
  StoreStatus status;
  {
    const base::MutexLock lock(status_mutex_);
    status = status_;
  }
  status.series = head_.series_count();
  const base::MutexLock lock(queue_mutex_);
  status.queued_batches = queue_.size();
  return status;
}

void Store::Core::publish_status(std::string error) {
  const std::uint64_t wal_bytes = wal_->bytes();
  metrics_.series.set(static_cast<double>(head_.series_count()));
  metrics_.chunk_bytes.set(static_cast<double>(chunk_bytes_));
  metrics_.wal_bytes.set(static_cast<double>(wal_bytes));
  metrics_.checkpoint_bytes.set(static_cast<double>(checkpoint_bytes_));
  const base::MutexLock lock(status_mutex_);
  status_.chunk_bytes = chunk_bytes_;
  status_.wal_bytes = wal_bytes;
  status_.checkpoint_bytes = checkpoint_bytes_;
  status_.read_only = !error.empty();
  status_.last_error = std::move(error);
}

void Store::Core::maintain() {
  apply_retention();
  if (!recovering_) publish_status("");
  if (!checkpoint_ && !wal_->poisoned() &&
      (!damaged_files_.empty() ||
       wal_->bytes() >= std::max(options_.checkpoint_wal_bytes, checkpoint_bytes_))) {
    start_checkpoint();
  }
  later(options_.maintenance_interval, [](Core& self) { self.maintain(); });
}

void Store::Core::apply_retention() {
  const std::int64_t newest = head_.newest_ms();
  if (newest == std::numeric_limits<std::int64_t>::min()) return;
  const std::int64_t now = retention_clock_.now_ms(newest);
  if (retention_clock_.jumps() > clock_jumps_) {
    clock_jumps_ = retention_clock_.jumps();
    metrics_.clock_jumps.increment();
    base::log_warning(kComponent,
                      "the wall clock jumped ahead; retention waits a day before it believes it");
  }
  // Never back: what was dropped under a later cutoff must not be accepted again.
  cutoff_ms_ = std::max(cutoff_ms_, now - options_.retention.count());
  Dropped dropped = head_.drop_before(cutoff_ms_);
  std::uint64_t removed = dropped.series;
  if (options_.retention_bytes > 0 && dropped.chunk_bytes_left > options_.retention_bytes) {
    // A tenth more than needed, so that it does not come back each minute.
    const std::uint64_t excess = dropped.chunk_bytes_left - options_.retention_bytes / 10 * 9;
    dropped = head_.drop_before(head_.cutoff_to_free(excess));
    removed += dropped.series;
  }
  chunk_bytes_ = dropped.chunk_bytes_left;
  metrics_.series_removed.increment(static_cast<double>(removed));
  metrics_.oldest_cutoff_seconds.set(static_cast<double>(cutoff_ms_) / 1000.0);
}

void Store::Core::request_checkpoint() {
  executor_.post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && !self->checkpoint_ && !self->wal_->poisoned()) {
      self->checkpoint_not_before_ = {};
      self->start_checkpoint();
    }
  });
}

void Store::Core::start_checkpoint() {
  if (executor_.clock().monotonic() < checkpoint_not_before_) return;
  const auto number = wal_->rotate();
  if (!number) {
    disk_failed(number.error());
    return;
  }
  unsynced_ = false;  // rotate() has synced
  auto begun = CheckpointWriter::begin(files_, options_.folder, *number);
  if (!begun) {
    checkpoint_failed(begun.error());
    return;
  }
  checkpoint_ = std::move(*begun);
  later(base::Duration{0}, [](Core& self) { self.continue_checkpoint(); });
}

void Store::Core::continue_checkpoint() {
  if (!checkpoint_) return;
  const auto done = head_.read(
      [&](const SeriesTable& table) { return checkpoint_->step(table, kCheckpointSlice); });
  if (!done) {
    checkpoint_failed(done.error());
  } else if (!*done) {
    later(base::Duration{0}, [](Core& self) { self.continue_checkpoint(); });
  } else if (const auto finished = finish_checkpoint(); !finished) {
    checkpoint_failed(finished.error());
  }
}

base::Result<void> Store::Core::finish_checkpoint() {
  const std::uint64_t number = checkpoint_->number();
  TC_TRY(checkpoint_bytes_, checkpoint_->finish());
  checkpoint_.reset();
  metrics_.checkpoints.increment();
  // Only now, with the checkpoint on disk under its name: what it replaces may go.
  put_damaged_aside();
  wal_->remove_before(number);
  remove_old_checkpoints(number);
  if (!recovering_) publish_status("");
  return base::ok();
}

void Store::Core::checkpoint_failed(const base::Error& error) {
  metrics_.checkpoint_failures.increment();
  checkpoint_.reset();
  checkpoint_not_before_ = executor_.clock().monotonic() + options_.maintenance_interval;
  base::log_error(kComponent, "checkpoint given up, the log stays as it is: {}", error.message);
}

base::Result<void> Store::Core::checkpoint_at_once() {
  TC_TRY(const std::uint64_t number, wal_->rotate());
  TC_TRY(checkpoint_, CheckpointWriter::begin(files_, options_.folder, number));
  for (;;) {
    TC_TRY(const bool done, head_.read([&](const SeriesTable& table) {
      return checkpoint_->step(table, kCheckpointSlice);
    }));
    if (done) return finish_checkpoint();
  }
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
