// The disk queue between the sampler and the network: bounded, ordered, and still there after kill
// -9.
//
// Every batch is written through to an append-only segment before anything is sent, and forgotten
// when alertd has acknowledged it. The newest payloads are kept in memory too, so that with a
// prompt alertd a batch is written once and never read back. Without a disk (full, read-only,
// broken) the queue goes on in memory within its own bound, says so once, and writes what it holds
// as soon as the disk is back.
//
// What can be lost: by kill -9 nothing; by a power cut what was appended in the last
// `sync_interval` and not yet acknowledged; by the bounds the oldest, each counted by reason.
// Format: SPOOL_FORMAT.md.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/file_system.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/spool/acknowledgements.h"
#include "common/spool/queue_names.h"
#include "common/spool/record.h"

namespace tocsin::spool {

struct SpoolOptions {
  std::string folder;
  std::uint64_t bytes_max = 256ULL << 20;  ///< On disk, all segments.
  base::Duration age_max{24LL * 3600 * 1000};
  std::uint64_t segment_bytes =
      1 << 20;                          ///< A segment is closed beyond this; at most bytes_max / 4.
  base::Duration sync_interval{5'000};  ///< Unsent batches reach the platter within this.
  std::size_t cache_bytes = 256 << 10;  ///< Payloads kept in memory beside the disk.
  std::size_t memory_bytes_max = 16 << 20;  ///< Payloads kept in memory while the disk fails.
  std::size_t records_max = 200'000;
  QueueNames names{};
};

/// One batch of the queue. `payload` is opaque here.
struct SpoolRecord {
  std::uint64_t sequence = 0;
  std::uint32_t samples = 0;
  base::WallTime created;
  std::string payload;
};

/// A queue of payloads that survives the process. Owner: the sender's executor; not thread safe.
///
/// Usage: `append()`; `peek()`; on success `acknowledge(last.sequence)`; now and then `maintain()`.
class Spool {
 public:
  struct World {
    base::FileSystem& files;
    const base::Clock& clock;
    base::Metrics& metrics;
  };

  /// Opens the folder, creating it, and recovers what an earlier process left. Never fails: without
  /// a usable folder the queue works from memory and tries the disk again every ten seconds.
  Spool(SpoolOptions options, World world);

  /// Adds one batch as the newest. Never fails; what does not fit any more is dropped and counted.
  /// Returns the sequence that peek() will tell of it; 0 if it was too large and dropped.
  std::uint64_t append(std::string payload, std::uint32_t samples);

  /// Returns the oldest batches, in order: as many as have together at most `samples_max` samples
  /// and `records_max` batches, but at least one if there is one.
  std::vector<SpoolRecord> peek(std::size_t samples_max, std::size_t records_max);

  /// Forgets the batches `first` to `last` of the latest peek(), both inclusive: delivered. Batches
  /// that the bounds dropped meanwhile are no error. If older ones have turned up since (a disk
  /// that came back), nothing is forgotten, and the batches are sent again in their place.
  void acknowledge(std::uint64_t first, std::uint64_t last);

  /// Like acknowledge(), but counts the samples as dropped for `reason`.
  void discard(std::uint64_t first, std::uint64_t last, const std::string& reason);

  /// Drops what is too old, syncs if due, tries a failed disk again. Call at least every
  /// sync_interval.
  void maintain();

  /// Makes everything survive power loss, now. For a clean stop.
  void flush();

  bool empty() const { return entries_.empty(); }
  std::size_t records() const { return entries_.size(); }
  std::uint64_t disk_bytes() const { return disk_bytes_; }
  /// Returns whether batches are held in memory only.
  bool degraded() const { return degraded_; }
  const SpoolOptions& options() const { return options_; }

 private:
  struct Segment {
    std::uint64_t first_sequence = 0;
    std::uint64_t bytes = 0;
    std::size_t live = 0;  // Records that are still queued.
  };

  void recover();
  void recover_segment(std::uint64_t first_sequence);
  void quarantine(const Segment& segment, std::string_view rest, std::uint64_t offset);
  bool write_through(RecordPlace& place, std::string_view payload);
  base::Result<void> open_segment(std::uint64_t first_sequence);
  void close_segment();
  void disk_failed(const base::Error& error);
  void return_to_disk();
  base::Result<std::string> load(const RecordPlace& place);
  void damaged_segment(const std::string& why);
  void pop_front(const std::string* dropped_because);
  void forget(std::uint64_t first, std::uint64_t last, const std::string* dropped_because);
  void settle();
  void unlink_done_segments();
  void enforce_bounds();
  void expire();
  void sync(bool even_if_not_due);
  base::Counter dropped(const std::string& reason);
  void count_dropped(const std::string& reason, std::uint32_t samples);
  void show();
  base::WallTime now() const;
  std::string path_of(std::uint64_t first_sequence) const;

  SpoolOptions options_;
  World world_;
  base::FailureLog failures_{options_.names.log};
  Acknowledgements acknowledgements_;

  // The queue: every record, oldest first. The last cache_.size() of them have their payload in
  // memory; those with offset 0 are nowhere else, and are always the newest.
  std::deque<RecordPlace> entries_;
  std::deque<std::string> cache_;
  std::size_t cache_bytes_ = 0;

  std::deque<Segment> segments_;
  std::unique_ptr<base::AppendFile> active_;  // Of segments_.back(), when open.
  std::uint64_t disk_bytes_ = 0;
  std::uint64_t next_sequence_ = 1;
  std::uint64_t forgotten_ = 0;     // Everything up to here is acknowledged or dropped.
  std::set<std::string> dropping_;  // Reasons said since the queue was last empty.
  bool recovered_ = false;
  bool degraded_ = false;
  bool disk_failure_said_ = false;  // Once, though the names of the files change.
  bool folder_dirty_ = false;
  int read_failures_ = 0;
  base::MonotonicTime retry_disk_at_{};
  std::optional<base::MonotonicTime> unsynced_since_;

  // Ages are measured on a clock that starts at the wall's time and then runs with the monotonic
  // one: a wall clock that jumps a day ahead must not empty the queue.
  base::WallTime started_wall_;
  base::MonotonicTime started_;

  base::Gauge gauge_bytes_;
  base::Gauge gauge_records_;
  base::Gauge gauge_age_;
  base::Gauge gauge_degraded_;
  base::Counter write_failures_;
  base::Counter damaged_bytes_;
  base::Counter torn_bytes_;
};

}  // namespace tocsin::spool
