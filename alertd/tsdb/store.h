// The time-series store: what ingest appends to and what rules and queries read.
//
// Head in memory (series.h, postings.h), write-ahead log and checkpoints on disk (wal.h,
// checkpoint.h). One thread writes; readers take a snapshot under a shared lock and decode without
// it. A batch is acknowledged when it is on disk: all batches that wait are written together and
// synced once (group commit).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/executor.h"
#include "common/base/file_system.h"
#include "common/base/metrics.h"
#include "common/model/appender.h"
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
  std::uint64_t retention_bytes = 0;  ///< Of chunks in memory; 0: no limit.
  base::Duration out_of_order_window{600'000};
  base::Duration future_max{600'000};  ///< Samples further ahead of the clock are refused.
  std::size_t series_max = 2'000'000;  ///< Existing series go on, new ones are refused.
  std::size_t queue_batches_max = 4096;
  std::size_t queue_samples_max = 2'000'000;
  std::uint64_t segment_bytes = 32 << 20;
  std::uint64_t checkpoint_wal_bytes = 64 << 20;  ///< The least log that is worth a checkpoint.
  base::Duration disk_retry{5'000};
  base::Duration maintenance_interval{60'000};
};

/// For the API and the daemon's own health. A copy; may be a minute old.
struct StoreStatus {
  std::uint64_t series = 0;
  std::uint64_t chunk_bytes = 0;
  std::uint64_t wal_bytes = 0;
  std::uint64_t checkpoint_bytes = 0;
  std::uint64_t queued_batches = 0;
  bool read_only = false;  ///< The disk refuses writes; reading goes on.
  std::string last_error;  ///< Why; empty if all is well.
};

/// Lifecycle: open() before traffic, destroy after `store_thread` was stopped (or on it).
/// Owner of all state: `store_thread`, which must run one task at a time.
class Store final : public model::Appender, public model::SeriesSource {
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

  /// Thread: any.
  StoreStatus status() const;
  /// Starts a checkpoint now instead of when the log has grown; for tests and before a planned
  /// stop.
  void request_checkpoint();

 private:
  class Core;
  explicit Store(std::shared_ptr<Core> core);
  // Shared with the tasks on the store thread, which hold it weakly.
  std::shared_ptr<Core> core_;
};

}  // namespace tocsin::tsdb
