// The store's thread: queue, group commit, recovery from disk failures, segments, retention,
// checkpoints, snapshots.
#pragma once

#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "alertd/tsdb/head.h"
#include "alertd/tsdb/job.h"
#include "alertd/tsdb/repeated_frames.h"
#include "alertd/tsdb/replay.h"
#include "alertd/tsdb/retention_clock.h"
#include "alertd/tsdb/segment_flush.h"
#include "alertd/tsdb/segment_folder.h"
#include "alertd/tsdb/segment_merge.h"
#include "alertd/tsdb/store.h"
#include "alertd/tsdb/store_metrics.h"
#include "alertd/tsdb/wal.h"
#include "alertd/tsdb/wal_format.h"

namespace tocsin::tsdb {

/// Everything but queue_ and status_ belongs to the store thread; readers go through head().
class Store::Core : public std::enable_shared_from_this<Store::Core> {
 public:
  Core(const StoreOptions& options, base::FileSystem& files, base::Executor& executor,
       base::Metrics& metrics);

  base::Result<void> open();
  void start_timers();
  /// No task runs any more: answers what waits and syncs.
  void shut_down();

  void append(std::shared_ptr<const model::WriteBatch> batch, model::AppendDone done)
      EXCLUDES(queue_mutex_);
  const Head& head() const { return head_; }
  StoreStatus status() const EXCLUDES(status_mutex_, queue_mutex_);
  void request_checkpoint();
  void snapshot_to(std::string folder, SnapshotDone done);

 private:
  struct Queued {
    std::shared_ptr<const model::WriteBatch> batch;
    model::AppendDone done;
    std::vector<Slot> slots;
    std::uint64_t created = 0;
  };
  template <class Function>
  void later(base::Duration delay, Function function) {
    executor_.post_after(delay, [weak = weak_from_this(), function] {
      if (const auto self = weak.lock()) function(*self);
    });
  }

  // Group commit.
  void commit();
  void post_commit();
  std::vector<Queued> take_group(bool& more) EXCLUDES(queue_mutex_);
  void encode(Queued& item, const TimeRange& range);
  void encode_series(const SeriesTable& table, const Queued& item);
  void encode_samples(const SeriesTable& table, const Queued& item, const TimeRange& range);
  void close_frame(RecordType type, std::string& payload);
  std::string repeat_labels();
  base::Result<void> write_group();
  void apply(Queued& item, const TimeRange& range);
  void refuse(std::vector<Queued>& group, const base::Error& error);
  TimeRange accepted_range() const;

  // Disk trouble.
  void disk_failed(const base::Error& error);
  base::Result<void> reopen_log();
  void try_recover();
  void sync_interval();

  // Upkeep: one job at a time, in slices.
  bool too_much_waits();
  using JobEnd = std::function<void(const base::Result<void>&)>;
  void run(std::unique_ptr<Job> job, JobEnd end);
  void continue_job();
  void maintain();
  void start_work();
  bool log_is_long() const;
  bool wants_flush() const;
  void apply_retention();
  void drop_segments();

  // Segments.
  std::int64_t settled_before_ms() const;
  FlushLimits flush_limits() const;
  MergeLimits merge_limits() const;
  void start_flush();
  base::Result<void> finish_flush(SegmentFlush& flush);
  void start_merge();
  base::Result<void> finish_merge(const SegmentMerge& merge);
  void merge(std::vector<SegmentPtr> inputs);
  void copy_damaged_at_once();
  std::vector<SegmentPtr> count_damaged();
  void let_go(const std::vector<SegmentPtr>& segments);
  void segment_failed(const base::Error& error);
  void wrote_chunks(std::uint64_t bytes);

  // Checkpoints.
  void start_checkpoint();
  void checkpoint_done(std::uint64_t number, std::uint64_t bytes);
  void checkpoint_failed(const base::Error& error);
  void checkpoint_at_once();
  void put_damaged_aside();
  void remove_old_checkpoints(std::uint64_t number);

  // Snapshots.
  struct SnapshotRequest {
    std::string folder;
    SnapshotDone done;
  };
  void start_snapshot();
  void end_snapshot(base::Result<SnapshotReport> result);

  void publish_status(std::string error) EXCLUDES(status_mutex_);

  const StoreOptions options_;
  base::FileSystem& files_;
  base::Executor& executor_;
  StoreMetrics metrics_;
  Head head_;
  SegmentFolder segments_;
  std::unique_ptr<Wal> wal_;
  RetentionClock retention_clock_;
  std::int64_t cutoff_ms_ = std::numeric_limits<std::int64_t>::min();
  std::uint64_t clock_jumps_ = 0;
  std::uint64_t chunk_bytes_ = 0;
  std::uint64_t unwritten_bytes_ = 0;  // of full chunks in memory
  std::optional<base::MonotonicTime> unwritten_since_;

  // Of the group being committed.
  std::string frames_;
  struct Part {
    std::size_t begin = 0;
    std::size_t length = 0;
  };
  std::vector<Part> series_frames_;  // those in frames_ that have labels
  std::string series_payload_;
  std::string samples_payload_;
  SamplesWriter samples_writer_;
  std::vector<Slot> newly_logged_;
  RepeatedFrames repeated_;

  bool recovering_ = false;
  bool unsynced_ = false;
  bool refusing_ = false;           // too many full chunks wait
  bool checkpoint_wanted_ = false;  // whatever the length of the log
  std::unique_ptr<Job> job_;
  JobEnd job_end_;
  std::optional<SnapshotRequest> snapshot_;  // waiting or being made
  std::uint64_t checkpoint_bytes_ = 0;
  base::MonotonicTime checkpoint_not_before_{};
  base::MonotonicTime segment_not_before_{};
  std::vector<std::string> damaged_files_;
  std::set<std::uint64_t> damaged_segments_;  // counted ones

  mutable base::Mutex queue_mutex_;
  std::deque<Queued> queue_ GUARDED_BY(queue_mutex_);
  std::size_t queued_samples_ GUARDED_BY(queue_mutex_) = 0;
  bool commit_posted_ GUARDED_BY(queue_mutex_) = false;
  bool closed_ GUARDED_BY(queue_mutex_) = false;

  mutable base::Mutex status_mutex_;
  StoreStatus status_ GUARDED_BY(status_mutex_);
};

}  // namespace tocsin::tsdb
