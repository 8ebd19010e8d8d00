// The time-series store: what ingest appends to and what rules and queries read.
//
// In memory: series, index and the chunk each series is filling (series.h, postings.h). On disk:
// full chunks in mapped segments (segment.h), and a write-ahead log with checkpoints for what is in
// no segment yet (wal.h, checkpoint.h). One thread writes; readers take a snapshot under a shared
// lock and decode without it. A batch is acknowledged when it is on disk: all batches that wait are
// written together and synced once (group commit).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/base/executor.h"
#include "common/base/file_system.h"
#include "common/base/metrics.h"
#include "common/model/appender.h"
#include "common/model/cardinality.h"
#include "common/model/series_source.h"

namespace tocsin::tsdb {

enum class Fsync {
  Always,    ///< An acknowledged batch survives power loss.
  Interval,  ///< It survives kill -9; power loss takes up to fsync_interval.
};

struct StoreOptions {
  std::string folder;
  Fsync fsync = Fsync::Always;
  base::Duration fsync_interval{1'000};
  base::Duration retention{15LL * 24 * 3'600'000};
  std::uint64_t retention_bytes = 0;  ///< Of segments on disk; 0: no limit.
  base::Duration out_of_order_window{600'000};
  base::Duration future_max{600'000};  ///< Samples further ahead of the clock are refused.
  std::size_t series_max = 2'000'000;  ///< Existing series go on, new ones are refused.
  std::size_t queue_batches_max = 4096;
  std::size_t queue_samples_max = 2'000'000;
  std::uint64_t log_file_bytes = 32 << 20;
  std::uint64_t checkpoint_wal_bytes = 64 << 20;  ///< The least log that is worth a checkpoint.
  unsigned chunk_samples = 120;               ///< When a chunk is full; at most kChunkSamplesMax.
  std::uint64_t flush_bytes = 32 << 20;       ///< So many bytes of full chunks make a segment.
  base::Duration flush_age{2LL * 3'600'000};  ///< Or such old ones, however few.
  /// What full chunks may take while no segment can be written; then samples are refused.
  std::uint64_t unwritten_bytes_max = 512 << 20;
  std::uint64_t merged_bytes_max = 512 << 20;        ///< Of a segment made of smaller ones.
  base::Duration merged_span_max{24LL * 3'600'000};  ///< Retention drops whole segments.
  base::Duration disk_retry{5'000};
  base::Duration maintenance_interval{60'000};
};

/// For the API and the daemon's own health. A copy; may be a minute old.
struct StoreStatus {
  std::uint64_t series = 0;
  std::uint64_t chunk_bytes = 0;      ///< In memory.
  std::uint64_t segments = 0;         ///< Files of full chunks.
  std::uint64_t segment_bytes = 0;    ///< Their size on disk.
  std::uint64_t samples_on_disk = 0;  ///< In segments.
  std::uint64_t wal_bytes = 0;
  std::uint64_t checkpoint_bytes = 0;
  std::uint64_t queued_batches = 0;
  bool read_only = false;  ///< The disk refuses writes; reading goes on.
  std::string last_error;  ///< Why; empty if all is well.
};

/// What a snapshot holds.
struct SnapshotReport {
  std::uint64_t files = 0;  ///< SHA256SUMS not counted.
  std::uint64_t bytes = 0;
};
using SnapshotDone = std::function<void(base::Result<SnapshotReport>)>;

/// Lifecycle: open() before traffic, destroy after `store_thread` was stopped (or on it).
/// Owner of all state: `store_thread`, which must run one task at a time.
class Store final : public model::Appender,
                    public model::SeriesSource,
                    public model::CardinalitySource {
 public:
  /// Reads the log and starts. Damage on disk is put aside, counted and logged, not an error.
  /// Errors: Io, PermissionDenied (the folder cannot be used).
  static base::Result<std::unique_ptr<Store>> open(const StoreOptions& options,
                                                   base::FileSystem& files,
                                                   base::Executor& store_thread,
                                                   base::Metrics& metrics);
  ~Store() override;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  void append(std::shared_ptr<const model::WriteBatch> batch, model::AppendDone done) override;

  base::Result<std::unique_ptr<model::SeriesSet>> select(
      std::span<const model::Matcher> matchers, std::int64_t begin_ms, std::int64_t end_ms,
      const model::SelectLimits& limits) const override;
  std::unique_ptr<model::PreparedSelector> prepare(
      std::span<const model::Matcher> matchers) const override;
  base::Result<std::vector<std::string>> label_values(
      std::string_view name, std::span<const model::Matcher> matchers) const override;
  base::Result<std::vector<std::string>> label_names(
      std::span<const model::Matcher> matchers) const override;

  model::Cardinality cardinality(std::size_t limit) const override;

  /// Thread: any.
  StoreStatus status() const;
  /// Starts a checkpoint now instead of when the log has grown; for tests and before a planned
  /// stop.
  void request_checkpoint();

  /// Copies the store into `folder` (missing or empty; created) while appends and queries go on.
  ///
  /// The copy holds every sample acknowledged before the call, and whole batches only. It is a
  /// store folder: put in place of a stopped store's, it opens. Segments are hard links where the
  /// file system allows; the rest is written anew. `SHA256SUMS` (as sha256sum -c reads it) comes
  /// last: a folder without it is not a snapshot. A failed one leaves no file that it made, if it
  /// can. `done` is called on the store thread. Errors: InvalidArgument (the folder is not empty),
  /// Unavailable (another snapshot is being made, the disk refuses writes, shutting down), Io.
  void snapshot_to(std::string folder, SnapshotDone done);
  /// Checks a snapshot against its SHA256SUMS; nothing may be missing, changed or added. Reads all
  /// of it. Errors: NotFound (no SHA256SUMS: unfinished), Corruption (names the file), Io. Thread:
  /// any.
  static base::Result<SnapshotReport> verify_snapshot(const base::FileSystem& files,
                                                      const std::string& folder);

 private:
  class Core;
  explicit Store(std::shared_ptr<Core> core);
  // Shared with the tasks on the store thread, which hold it weakly.
  std::shared_ptr<Core> core_;
};

}  // namespace tocsin::tsdb
