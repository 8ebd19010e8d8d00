#include "alertd/tsdb/store_core.h"

#include <fmt/core.h>

#include <algorithm>

#include "alertd/tsdb/wal_files.h"
#include "common/base/log.h"

namespace tocsin::tsdb {
namespace {

/// Checked each maintenance: some milliseconds; a gigabyte takes four hours.
constexpr std::uint64_t kScrubBytes = 4 << 20;

}  // namespace

Store::Core::Core(const StoreOptions& options, base::FileSystem& files, base::Executor& executor,
                  base::Metrics& metrics)
    : options_(options),
      files_(files),
      executor_(executor),
      metrics_(metrics),
      head_({options.out_of_order_window.count(),
             std::clamp(options.chunk_samples, 1U, kChunkSamplesMax)},
            options.series_max),
      segments_(files, options.folder),
      retention_clock_(executor.clock()) {}

base::Result<void> Store::Core::open() {
  const base::MonotonicTime begin = executor_.clock().monotonic();
  const std::string context = fmt::format("reading the store in '{}'", options_.folder);
  auto opened = files_.create_folders(options_.folder);
  if (opened) opened = segments_.open();
  if (!opened) return base::with_context(std::move(opened).error(), context);
  head_.publish(segments_.set());
  auto loaded = head_.load([&](SeriesTable& table) {
    return replay(
        {files_,
         options_.folder,
         *segments_.set(),
         {options_.out_of_order_window.count(),
          std::clamp(options_.chunk_samples, 1U, kChunkSamplesMax), segments_.set().get()}},
        table);
  });
  if (!loaded) return base::with_context(std::move(loaded).error(), context);
  ReplayReport& report = *loaded;
  metrics_.damaged_files.increment(static_cast<double>(report.damaged_files.size()));
  metrics_.damaged_bytes.increment(static_cast<double>(report.damaged_bytes));
  metrics_.torn_bytes.increment(static_cast<double>(report.torn_bytes));
  metrics_.samples_lost_unknown_series.increment(
      static_cast<double>(report.samples_unknown_series));
  segments_.saw_next_number(report.next_segment);
  checkpoint_bytes_ = report.checkpoint_bytes;
  damaged_files_ = std::move(report.damaged_files);
  wal_ = std::make_unique<Wal>(files_, options_.folder, options_.log_file_bytes,
                               std::move(report.logs), report.next_number);
  head_.find_newest();
  const double seconds =
      std::chrono::duration<double>(executor_.clock().monotonic() - begin).count();
  metrics_.replay_seconds.set(seconds);
  base::log_info(kComponent, "{} series with {} samples read in {:.2f} s; {} more in {} segments",
                 head_.series_count(), report.samples, seconds, segments_.samples(),
                 segments_.set()->all().size());
  apply_retention();
  publish_status("");
  if (const auto begun = wal_->reopen(); !begun) {
    disk_failed(begun.error());
    return base::ok();
  }
  copy_damaged_at_once();
  if (!damaged_files_.empty()) checkpoint_at_once();
  drop_segments();
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
  job_.reset();
  job_end_ = nullptr;
  if (snapshot_) {
    end_snapshot(base::error(base::ErrorCode::Unavailable, "the store is shutting down"));
  }
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
  metrics_.unwritten_bytes.set(static_cast<double>(unwritten_bytes_));
  metrics_.segments.set(static_cast<double>(segments_.set()->all().size()));
  metrics_.segment_bytes.set(static_cast<double>(segments_.bytes()));
  metrics_.segment_samples.set(static_cast<double>(segments_.samples()));
  metrics_.wal_bytes.set(static_cast<double>(wal_bytes));
  metrics_.checkpoint_bytes.set(static_cast<double>(checkpoint_bytes_));
  const base::MutexLock lock(status_mutex_);
  status_.chunk_bytes = chunk_bytes_;
  status_.segments = segments_.set()->all().size();
  status_.segment_bytes = segments_.bytes();
  status_.samples_on_disk = segments_.samples();
  status_.wal_bytes = wal_bytes;
  status_.checkpoint_bytes = checkpoint_bytes_;
  status_.read_only = !error.empty();
  status_.last_error = std::move(error);
}

// --- Upkeep
// ---------------------------------------------------------------------------------------

void Store::Core::run(std::unique_ptr<Job> job, JobEnd end) {
  job_ = std::move(job);
  job_end_ = std::move(end);
  later(base::Duration{0}, [](Core& self) { self.continue_job(); });
}

void Store::Core::continue_job() {
  if (!job_) return;
  const auto done = job_->step();
  if (done && !*done) {
    later(base::Duration{0}, [](Core& self) { self.continue_job(); });
    return;
  }
  const std::unique_ptr<Job> job = std::move(job_);  // whose end still looks at it
  const JobEnd end = std::move(job_end_);
  end(done ? base::ok() : base::Result<void>(done.error()));
  drop_segments();
  start_work();
  if (!recovering_ && !refusing_) publish_status("");
}

bool Store::Core::log_is_long() const {
  return wal_->bytes() >= std::max(options_.checkpoint_wal_bytes, checkpoint_bytes_);
}

bool Store::Core::wants_flush() const {
  std::uint64_t bytes = options_.flush_bytes;
  if (options_.retention_bytes > 0) bytes = std::min(bytes, options_.retention_bytes / 8);
  // A checkpoint that is due need not hold what goes to a segment soon.
  if (log_is_long()) bytes /= 4;
  if (unwritten_bytes_ > bytes) return true;
  const auto age = std::min(options_.flush_age, options_.retention / 8);
  return unwritten_since_ && executor_.clock().monotonic() - *unwritten_since_ >= age;
}

void Store::Core::start_work() {
  if (!job_ && snapshot_) start_snapshot();
  if (job_ || wal_->poisoned()) return;
  const base::MonotonicTime now = executor_.clock().monotonic();
  if (now >= segment_not_before_ && wants_flush()) {
    start_flush();
  } else if (now >= checkpoint_not_before_ &&
             (checkpoint_wanted_ || !damaged_files_.empty() || log_is_long())) {
    start_checkpoint();
  }
}

void Store::Core::maintain() {
  apply_retention();
  if (!job_) drop_segments();
  if (!recovering_ && !refusing_) publish_status("");
  start_work();
  segments_.scrub(kScrubBytes);
  if (!job_ && !wal_->poisoned()) start_merge();
  for (const SegmentPtr& segment : segments_.set()->all()) {
    if (segment->info().last_ms < settled_before_ms()) segment->release_pages();
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
  const Dropped dropped = head_.drop_before(cutoff_ms_);
  chunk_bytes_ = dropped.chunk_bytes_left;
  unwritten_bytes_ = dropped.sealed_bytes_left;
  if (unwritten_bytes_ == 0) unwritten_since_.reset();
  if (unwritten_bytes_ > 0 && !unwritten_since_) {
    unwritten_since_ = executor_.clock().monotonic();
  }
  metrics_.series_removed.increment(static_cast<double>(dropped.series));
  metrics_.oldest_cutoff_seconds.set(static_cast<double>(cutoff_ms_) / 1000.0);
}

void Store::Core::drop_segments() {
  std::vector<SegmentPtr> all = segments_.set()->all();
  std::sort(all.begin(), all.end(), [](const SegmentPtr& a, const SegmentPtr& b) {
    return a->info().last_ms < b->info().last_ms;
  });
  std::uint64_t left = segments_.bytes();
  std::vector<SegmentPtr> gone;
  for (const SegmentPtr& segment : all) {
    const SegmentInfo& info = segment->info();
    const bool over = options_.retention_bytes > 0 && left > options_.retention_bytes;
    if (info.last_ms >= cutoff_ms_ && !over) break;
    if (over) cutoff_ms_ = std::max(cutoff_ms_, info.last_ms);
    left -= info.bytes;
    gone.push_back(segment);
  }
  if (gone.empty()) return;
  segments_.take_out(gone);
  head_.publish(segments_.set());
  let_go(gone);
  metrics_.segments_dropped.increment(static_cast<double>(gone.size()));
}

}  // namespace tocsin::tsdb
