#include "alertd/tsdb/store_metrics.h"

namespace tocsin::tsdb {
namespace {

base::Counter refused(base::Metrics& metrics, const char* reason) {
  return metrics.counter("tocsin_alertd_store_samples_refused_total",
                         "Samples that were not stored, by reason.", {{"reason", reason}});
}

}  // namespace

StoreMetrics::StoreMetrics(base::Metrics& metrics)
    : series(metrics.gauge("tocsin_alertd_store_series", "Series in the store.")),
      chunk_bytes(metrics.gauge("tocsin_alertd_store_chunk_bytes", "Memory of chunks.")),
      unwritten_bytes(metrics.gauge("tocsin_alertd_store_unwritten_chunk_bytes",
                                    "Memory of full chunks that are in no segment yet.")),
      segments(metrics.gauge("tocsin_alertd_store_segments", "Segments on disk.")),
      segment_bytes(metrics.gauge("tocsin_alertd_store_segment_bytes",
                                  "Segments on disk; their mapped pages count as memory of the "
                                  "process and are given up when others need them.")),
      segment_samples(metrics.gauge("tocsin_alertd_store_segment_samples", "Samples in segments.")),
      wal_bytes(metrics.gauge("tocsin_alertd_store_wal_bytes", "Write-ahead log on disk.")),
      checkpoint_bytes(metrics.gauge("tocsin_alertd_store_checkpoint_bytes",
                                     "Size of the last checkpoint on disk.")),
      replay_seconds(metrics.gauge("tocsin_alertd_store_replay_seconds",
                                   "How long reading the log took at the last start.")),
      read_only(metrics.gauge("tocsin_alertd_store_read_only",
                              "1 while the disk refuses writes and samples are not accepted.")),
      oldest_cutoff_seconds(metrics.gauge("tocsin_alertd_store_retention_cutoff_timestamp_seconds",
                                          "Samples before this time are dropped.")),
      samples_appended(
          metrics.counter("tocsin_alertd_store_samples_appended_total", "Samples stored.")),
      series_created(metrics.counter("tocsin_alertd_store_series_created_total",
                                     "Series seen for the first time.")),
      series_removed(metrics.counter("tocsin_alertd_store_series_removed_total",
                                     "Series whose last sample left the retention.")),
      refused_duplicate(refused(metrics, "duplicate")),
      refused_conflicting(refused(metrics, "conflicting")),
      refused_out_of_order(refused(metrics, "out_of_order")),
      refused_too_old(refused(metrics, "too_old")),
      refused_too_new(refused(metrics, "too_new")),
      refused_series_limit(refused(metrics, "series_limit")),
      batches_refused_queue(metrics.counter("tocsin_alertd_store_batches_refused_total",
                                            "Batches not taken; the sender tries again.",
                                            {{"reason", "queue_full"}})),
      batches_refused_disk(metrics.counter("tocsin_alertd_store_batches_refused_total",
                                           "Batches not taken; the sender tries again.",
                                           {{"reason", "disk"}})),
      write_failures(metrics.counter("tocsin_alertd_store_write_failures_total",
                                     "Failed writes and syncs of the log.")),
      checkpoints(metrics.counter("tocsin_alertd_store_checkpoints_total", "Checkpoints written.")),
      checkpoint_failures(metrics.counter("tocsin_alertd_store_checkpoint_failures_total",
                                          "Checkpoints given up.")),
      segments_flushed(metrics.counter("tocsin_alertd_store_segments_written_total",
                                       "Segments written, by what made them.",
                                       {{"reason", "flush"}})),
      segments_merged(metrics.counter("tocsin_alertd_store_segments_written_total",
                                      "Segments written, by what made them.",
                                      {{"reason", "merge"}})),
      segments_dropped(metrics.counter("tocsin_alertd_store_segments_dropped_total",
                                       "Segments dropped by retention.")),
      segment_failures(metrics.counter("tocsin_alertd_store_segment_failures_total",
                                       "Segments whose writing was given up; tried again.")),
      damaged_files(metrics.counter("tocsin_alertd_store_damaged_files_total",
                                    "Files of the store found damaged and put aside.")),
      damaged_bytes(metrics.counter("tocsin_alertd_store_damaged_bytes_total",
                                    "Bytes of the log that could not be read.")),
      damaged_records(metrics.counter("tocsin_alertd_store_damaged_records_total",
                                      "Records of segments that could not be read.")),
      torn_bytes(metrics.counter("tocsin_alertd_store_torn_bytes_total",
                                 "Bytes of an unfinished write cut off at the start.")),
      samples_lost_unknown_series(
          metrics.counter("tocsin_alertd_store_samples_lost_total",
                          "Samples of the log whose series was in a damaged place.")),
      clock_jumps(metrics.counter("tocsin_alertd_store_clock_jumps_total",
                                  "Jumps of the wall clock that retention did not follow.")),
      sync_seconds(metrics.histogram(
          "tocsin_alertd_store_fsync_seconds", "Time to make a group of batches durable.",
          {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5})) {}

void StoreMetrics::count(const model::AppendOutcome& outcome,
                         std::uint64_t samples_over_series_limit) {
  const auto add = [](base::Counter& counter, std::uint64_t by) {
    if (by > 0) counter.increment(static_cast<double>(by));
  };
  add(samples_appended, outcome.samples_appended);
  add(series_created, outcome.series_created);
  add(refused_duplicate, outcome.samples_duplicate);
  add(refused_conflicting, outcome.samples_conflicting);
  add(refused_out_of_order, outcome.samples_out_of_order);
  add(refused_too_old, outcome.samples_too_old);
  add(refused_too_new, outcome.samples_too_new);
  add(refused_series_limit, samples_over_series_limit);
}

}  // namespace tocsin::tsdb
