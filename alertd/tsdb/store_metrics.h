// What the store says about itself: tocsin_alertd_store_*.
#pragma once

#include "common/base/metrics.h"
#include "common/model/appender.h"

namespace tocsin::tsdb {

/// The store's own metrics. Thread: any.
struct StoreMetrics {
  explicit StoreMetrics(base::Metrics& metrics);
  void count(const model::AppendOutcome& outcome, std::uint64_t samples_over_series_limit);

  base::Gauge series;
  base::Gauge chunk_bytes;
  base::Gauge unwritten_bytes;
  base::Gauge segments;
  base::Gauge segment_bytes;
  base::Gauge segment_samples;
  base::Gauge wal_bytes;
  base::Gauge checkpoint_bytes;
  base::Gauge replay_seconds;
  base::Gauge read_only;
  base::Gauge oldest_cutoff_seconds;
  base::Counter samples_appended;
  base::Counter series_created;
  base::Counter series_removed;
  base::Counter refused_duplicate;
  base::Counter refused_conflicting;
  base::Counter refused_out_of_order;
  base::Counter refused_too_old;
  base::Counter refused_too_new;
  base::Counter refused_series_limit;
  base::Counter batches_refused_queue;
  base::Counter batches_refused_disk;
  base::Counter write_failures;
  base::Counter checkpoints;
  base::Counter checkpoint_failures;
  base::Counter segments_flushed;
  base::Counter segments_merged;
  base::Counter segments_dropped;
  base::Counter segment_failures;
  base::Counter damaged_files;
  base::Counter damaged_bytes;
  base::Counter damaged_records;
  base::Counter torn_bytes;
  base::Counter samples_lost_unknown_series;
  base::Counter clock_jumps;
  base::Histogram sync_seconds;
};

}  // namespace tocsin::tsdb
