#include "alertd/tsdb/chunk_mixer.h"

#include <limits>

namespace tocsin::tsdb {

void ChunkMixer::add(const ChunkView& chunk, std::int64_t last_ms) {
  std::vector<model::Sample> decoded;
  (void)decode_chunk(chunk, chunk.first_ms, last_ms, decoded);
  for (const model::Sample& sample : decoded) add(sample);
}

void ChunkMixer::add(const std::vector<ChunkPtr>& chunks) {
  for (const ChunkPtr& chunk : chunks) add(chunk->view(), chunk->last_ms());
}

std::vector<ChunkPtr> ChunkMixer::take(std::int64_t begin_ms, std::int64_t end_ms) {
  std::vector<ChunkPtr> chunks;
  OpenChunk open;
  const auto first = samples_.lower_bound(begin_ms);
  const auto last = samples_.upper_bound(end_ms);
  for (auto at = first; at != last; ++at) {
    if (open.count() == kChunkSamplesMax) chunks.push_back(open.seal());
    open.append(at->first, at->second);
  }
  if (!open.empty()) chunks.push_back(open.seal());
  samples_.erase(first, last);
  return chunks;
}

std::vector<ChunkPtr> ChunkMixer::take() {
  return take(std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max());
}

std::vector<model::Sample> ChunkMixer::rest() const {
  std::vector<model::Sample> rest;
  for (const auto& [timestamp_ms, value] : samples_) rest.push_back({timestamp_ms, value});
  return rest;
}

}  // namespace tocsin::tsdb
