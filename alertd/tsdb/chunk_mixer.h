// Puts samples of overlapping chunks in order and makes chunks of them again.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "alertd/tsdb/chunk.h"

namespace tocsin::tsdb {

/// Samples by time; of equal times the first one stays. Thread: one.
class ChunkMixer {
 public:
  void add(const model::Sample& sample) { samples_.try_emplace(sample.timestamp_ms, sample.value); }
  /// Adds what can be decoded of a chunk.
  void add(const ChunkView& chunk, std::int64_t last_ms);
  void add(const std::vector<ChunkPtr>& chunks);

  /// Takes the samples in [begin_ms, end_ms] out, as chunks.
  std::vector<ChunkPtr> take(std::int64_t begin_ms, std::int64_t end_ms);
  /// Takes all of them.
  std::vector<ChunkPtr> take();
  /// Returns what was not taken.
  std::vector<model::Sample> rest() const;

 private:
  std::map<std::int64_t, double> samples_;
};

}  // namespace tocsin::tsdb
