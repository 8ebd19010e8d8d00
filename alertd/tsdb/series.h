// One series in memory: labels, sealed chunks, the open chunk, and what came late.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "alertd/tsdb/chunk.h"
#include "common/base/ids.h"
#include "common/model/labels.h"

namespace tocsin::tsdb {

/// Names a series in the log, for ever: never given to another series.
using SeriesRef = base::Id<struct SeriesRefTag>;

/// What became of one sample.
enum class Placed {
  Appended,
  Late,         ///< Appended out of order, within the window.
  Duplicate,    ///< Same timestamp and value as stored.
  Conflicting,  ///< Same timestamp, another value: the first one stays.
  OutOfOrder,   ///< Older than the window.
};

/// Samples that arrived out of order: a sorted buffer, and full chunks that may overlap others.
struct LateSamples {
  std::vector<model::Sample> buffer;
  std::vector<ChunkPtr> sealed;
};

/// One series. Owner: the store thread; others read labels always, and the rest under the head's
/// lock.
class Series {
 public:
  Series(SeriesRef ref, model::Labels labels) : labels_(std::move(labels)), ref_(ref) {}

  const model::Labels& labels() const { return labels_; }
  SeriesRef ref() const { return ref_; }

  /// Adds a sample; older ones than the newest only up to `window_ms` back.
  Placed append(const model::Sample& sample, std::int64_t window_ms);

  bool empty() const { return open_.empty() && sealed_.empty() && !late_; }
  /// Of the newest sample; meaningless when empty.
  std::int64_t last_ms() const { return open_.last_ms(); }
  const OpenChunk& open() const { return open_; }
  const std::vector<ChunkPtr>& sealed() const { return sealed_; }
  const LateSamples* late() const { return late_.get(); }

  /// Drops what lies wholly before `cutoff_ms`. Returns the bytes of chunks dropped.
  std::size_t drop_before(std::int64_t cutoff_ms);
  /// Bytes of chunks, open ones included.
  std::size_t chunk_bytes() const;

  /// For loading a checkpoint, in order of time.
  void restore_sealed(ChunkPtr chunk) { sealed_.push_back(std::move(chunk)); }
  void restore_late(LateSamples late) { late_ = std::make_unique<LateSamples>(std::move(late)); }

  std::uint32_t next_hint = 0xffffffff;  ///< The slot that followed this one in the last batch.
  bool logged = false;                   ///< The log holds ref and labels.
  bool removed = false;                  ///< Not in the table any more.

 private:
  Placed append_late(const model::Sample& sample);
  std::optional<double> find(std::int64_t timestamp_ms) const;

  model::Labels labels_;
  SeriesRef ref_;
  OpenChunk open_;
  std::vector<ChunkPtr> sealed_;
  std::unique_ptr<LateSamples> late_;
};

}  // namespace tocsin::tsdb
