// Reads one series under the head's lock, without copying it first: what prepared selectors use.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "alertd/tsdb/chunk_reader.h"
#include "alertd/tsdb/series.h"

namespace tocsin::tsdb {

/// Where windows are decoded to: memory that is kept from series to series and not cleared.
class WindowBuffer {
 public:
  std::span<const model::Sample> samples() const { return {samples_.data(), size_}; }
  void clear() { size_ = 0; }
  /// Makes room for `count` more and returns where they go; call grew_to() afterwards.
  model::Sample* room(std::size_t count) {
    if (size_ + count > samples_.size()) samples_.resize((size_ + count) * 2);
    return samples_.data() + size_;
  }
  void grew_to(const model::Sample* end) {
    size_ = static_cast<std::size_t>(end - samples_.data());
  }
  /// Sorts by time; of equal times the first one stays.
  void settle();

 private:
  std::vector<model::Sample> samples_;
  std::size_t size_ = 0;
};

enum class StaleMarkers { Keep, Drop };

/// Which samples of a series, times inclusive.
struct SampleRange {
  std::int64_t begin_ms = 0;
  std::int64_t end_ms = 0;
  StaleMarkers stale = StaleMarkers::Keep;
};

enum class WindowRead {
  Done,
  Damaged,  ///< A chunk in memory.
  OnDisk,   ///< Part of it is in segments only: nothing was read.
};

/// Reads the samples in [begin_ms, end_ms], both inclusive, into `out` (cleared first).
///
/// Starts at `place` if that is of a chunk that is still there, and leaves it at the first sample
/// of the window. So `place` must be empty or of an earlier call whose `begin_ms` was not later.
/// `disk_last_ms` is that of the newest sample in segments: what is after it is in memory.
/// Thread: any, under the head's lock.
WindowRead read_window(const Series& series, const SampleRange& range, std::int64_t disk_last_ms,
                       ChunkPlace& place, WindowBuffer& out);

}  // namespace tocsin::tsdb
