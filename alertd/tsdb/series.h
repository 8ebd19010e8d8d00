// One series in memory: labels, the open chunk, and what waits to be written to a segment: full
// chunks and what came late.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "alertd/tsdb/chunk.h"
#include "alertd/tsdb/series_ref.h"
#include "common/model/labels.h"

namespace tocsin::tsdb {

class SegmentSet;

/// What became of one sample.
enum class Placed {
  Appended,
  Late,         ///< Appended out of order, within the window.
  Duplicate,    ///< Same timestamp and value as stored.
  Conflicting,  ///< Same timestamp, another value: the first one stays.
  OutOfOrder,   ///< Older than the window.
};

/// Samples that arrived out of order: a sorted buffer, and chunks that may overlap others.
struct LateSamples {
  std::vector<model::Sample> buffer;
  std::vector<ChunkPtr> sealed;
  std::vector<ChunkPtr> settled;  ///< By settle(): ordered, all before the series' sealed chunks.

  bool empty() const { return buffer.empty() && sealed.empty() && settled.empty(); }
};

/// How samples are taken.
struct AppendRules {
  std::int64_t window_ms = 0;                 ///< Older ones than the newest only so far back.
  unsigned chunk_samples = kChunkSamplesMax;  ///< When a chunk is full.
  const SegmentSet* segments = nullptr;       ///< Where what is not in memory may be.
  std::uint64_t sealed_bytes = 0;             ///< Adds up what became full chunks.
};

/// One series. Owner: the store thread; others read labels always, and the rest under the head's
/// lock.
class Series {
 public:
  Series(SeriesRef ref, model::Labels labels) : labels_(std::move(labels)), ref_(ref) {}

  const model::Labels& labels() const { return labels_; }
  SeriesRef ref() const { return ref_; }

  Placed append(const model::Sample& sample, AppendRules& rules);

  /// Of the newest sample, in memory or not; the least number if there was none.
  std::int64_t last_ms() const { return open_.last_ms(); }
  /// Of the oldest sample in memory that came in order; the greatest number if there is none.
  /// Whatever a segment has of the series is older, or there twice.
  std::int64_t first_in_memory_ms() const {
    if (waiting_ && !waiting_->sealed.empty()) return waiting_->sealed.front()->first_ms();
    return open_.empty() ? std::numeric_limits<std::int64_t>::max() : open_.first_ms();
  }
  const OpenChunk& open() const { return open_; }
  /// Full chunks that are in no segment yet: ordered, without overlap.
  std::span<const ChunkPtr> sealed() const {
    return waiting_ ? std::span<const ChunkPtr>(waiting_->sealed) : std::span<const ChunkPtr>();
  }
  /// Null if there are none.
  const LateSamples* late() const {
    return waiting_ && !waiting_->late.empty() ? &waiting_->late : nullptr;
  }
  /// Whether samples in [begin_ms, ...] may be in segments and not in memory. What came in order is
  /// later in memory than on disk, but after a restart late samples may be on disk only.
  bool reaches_disk(std::int64_t begin_ms) const {
    return on_disk && newest_on_disk_ms_ >= begin_ms && last_ms() >= begin_ms;
  }
  /// For the end of a start: no segment has anything later than its newest sample.
  void bound_disk() { newest_on_disk_ms_ = last_ms(); }

  /// Drops what lies wholly before `cutoff_ms` from memory.
  void drop_before(std::int64_t cutoff_ms);
  /// Whether nothing is left of it, in memory or after `cutoff_ms` on disk.
  bool gone(std::int64_t cutoff_ms) const {
    return open_.empty() && !waiting_ && last_ms() < cutoff_ms;
  }
  /// Bytes of chunks in memory, open ones included.
  std::size_t chunk_bytes() const;
  /// Bytes of full chunks in memory.
  std::size_t sealed_bytes() const;

  /// Makes what can go to a segment ready for it: the open chunk too, if its newest sample is
  /// before `idle_before_ms`; late samples among the sealed chunks become part of them, earlier
  /// ones are `settled`. Returns whether there is anything to write.
  bool settle(std::int64_t idle_before_ms);
  /// A segment has all settled chunks, and the sealed ones up to `last_ms`, which was that of one
  /// of them; `record` is the last of its records, in the segment's mapping.
  void written(std::int64_t last_ms, const char* record);
  /// Forgets the record, whose segment goes.
  void forget_record() { record_ = nullptr; }
  /// Where the last of the chunks is that are in a segment and not in memory, or null. It holds all
  /// that segments have of the series from that chunk's first sample on.
  const char* record() const { return record_; }

  /// For loading a checkpoint, in order of time.
  void restore_sealed(ChunkPtr chunk) { waiting().sealed.push_back(std::move(chunk)); }
  void restore_late(LateSamples late) { waiting().late = std::move(late); }
  bool restore_open(ByteReader& reader) { return open_.restore(reader); }
  /// For a series of which only segments know: its newest sample.
  void restore_newest(const model::Sample& sample) { open_.restore_newest(sample); }
  /// Forgets the sealed chunks that a segment has; what a crash left doubled.
  void drop_doubled(const SegmentSet& segments);

  std::uint32_t next_hint = 0xffffffff;  ///< The slot that followed this one in the last batch.
  bool logged = false;                   ///< The log holds ref and labels.
  bool removed = false;                  ///< Not in the table any more.
  bool on_disk = false;                  ///< Segments may have chunks of it.
  std::uint16_t owner = 0;               ///< WriteBatch::owner of who wrote it first since a start.

 private:
  struct Waiting {
    std::vector<ChunkPtr> sealed;
    LateSamples late;
  };
  Waiting& waiting() {
    if (!waiting_) waiting_ = std::make_unique<Waiting>();
    return *waiting_;
  }
  void release_waiting() {
    if (waiting_ && waiting_->sealed.empty() && waiting_->late.empty()) waiting_.reset();
  }
  Placed append_late(const model::Sample& sample, const AppendRules& rules);
  std::optional<double> find(std::int64_t timestamp_ms, const SegmentSet* segments) const;

  model::Labels labels_;
  SeriesRef ref_;
  OpenChunk open_;
  std::unique_ptr<Waiting> waiting_;  // most series have nothing that waits
  const char* record_ = nullptr;
  std::int64_t newest_on_disk_ms_ = std::numeric_limits<std::int64_t>::max();  // if on_disk
};

}  // namespace tocsin::tsdb
