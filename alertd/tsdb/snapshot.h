// What select() returns: series with their chunks as they were, decoded later and without a lock.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "alertd/tsdb/segment.h"
#include "alertd/tsdb/series.h"
#include "common/model/series_source.h"

namespace tocsin::tsdb {

/// Sealed chunks are shared, open chunks copied into one block, segments looked up when samples are
/// asked for. Thread: one while adding, then any.
class Snapshot final : public model::SeriesSet {
 public:
  Snapshot(std::int64_t begin_ms, std::int64_t end_ms, SegmentSetPtr segments)
      : begin_ms_(begin_ms),
        end_ms_(end_ms),
        segments_(std::move(segments)),
        segments_overlap_(segments_->overlaps(begin_ms, end_ms)) {}

  /// Adds the series if it may have samples in the range; call in the order of labels, under the
  /// lock. `tag` is for whoever adds.
  void add(const std::shared_ptr<Series>& series, std::uint32_t tag = 0);
  /// Call once after the last add(), without the lock.
  void finish();
  std::uint32_t tag(std::size_t series) const { return entries_[series].tag; }

  std::size_t size() const override { return entries_.size(); }
  const model::Labels& labels(std::size_t series) const override {
    return entries_[series].series->labels();
  }
  base::Result<void> samples(std::size_t series, std::int64_t begin_ms, std::int64_t end_ms,
                             std::vector<model::Sample>& out) const override;

 private:
  struct Entry {
    std::shared_ptr<const Series> series;  // for its labels only: the rest may change
    std::size_t open_begin = 0;            // in bytes_
    std::int64_t open_first_ms = 0;
    std::uint32_t open_bytes = 0;
    std::uint32_t open_count = 0;
    std::uint32_t chunk_begin = 0;  // in chunks_
    std::uint32_t chunk_count = 0;
    std::uint32_t late_begin = 0;  // in late_
    std::uint32_t late_count = 0;
    std::uint32_t tag = 0;
    bool mixed = false;    // has late samples: sort after decoding
    bool on_disk = false;  // segments may have more

    bool in_memory() const { return chunk_count > 0 || open_count > 0 || late_count > 0; }
  };
  bool overlaps(std::int64_t first_ms, std::int64_t last_ms) const {
    return first_ms <= end_ms_ && last_ms >= begin_ms_;
  }
  void add_late(Entry& entry, const LateSamples& late);
  /// Returns false at damage.
  bool read_segments(const Entry& entry, std::int64_t begin_ms, std::int64_t end_ms,
                     std::vector<model::Sample>& out) const;

  std::int64_t begin_ms_;
  std::int64_t end_ms_;
  SegmentSetPtr segments_;
  bool segments_overlap_;
  std::vector<Entry> entries_;
  std::vector<ChunkPtr> chunks_;
  std::vector<model::Sample> late_;
  std::string bytes_;
};

}  // namespace tocsin::tsdb
