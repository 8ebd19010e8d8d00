#include "alertd/tsdb/series.h"

#include <algorithm>
#include <bit>

namespace tocsin::tsdb {
namespace {

bool same_bits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

Placed compare(double stored, double sent) {
  return same_bits(stored, sent) ? Placed::Duplicate : Placed::Conflicting;
}

std::optional<double> find_in(const ChunkView& chunk, std::int64_t timestamp_ms) {
  std::vector<model::Sample> found;
  if (!decode_chunk(chunk, timestamp_ms, timestamp_ms, found) || found.empty()) return std::nullopt;
  return found.front().value;
}

bool covers(const ChunkPtr& chunk, std::int64_t timestamp_ms) {
  return chunk->first_ms() <= timestamp_ms && timestamp_ms <= chunk->last_ms();
}

}  // namespace

Placed Series::append(const model::Sample& sample, std::int64_t window_ms) {
  // The open chunk is sealed when the next sample comes, not when it is full: so it is never empty
  // once there was a sample, and always knows the newest.
  if (!open_.empty() && sample.timestamp_ms <= open_.last_ms()) {
    if (sample.timestamp_ms == open_.last_ms()) return compare(open_.last_value(), sample.value);
    if (sample.timestamp_ms < open_.last_ms() - window_ms) return Placed::OutOfOrder;
    return append_late(sample);
  }
  if (open_.full()) sealed_.push_back(open_.seal());
  open_.append(sample.timestamp_ms, sample.value);
  return Placed::Appended;
}

std::optional<double> Series::find(std::int64_t timestamp_ms) const {
  if (open_.first_ms() <= timestamp_ms) {
    if (const auto value = find_in(open_.view(), timestamp_ms)) return value;
  } else {
    const auto at = std::lower_bound(
        sealed_.begin(), sealed_.end(), timestamp_ms,
        [](const ChunkPtr& chunk, std::int64_t ts) { return chunk->last_ms() < ts; });
    if (at != sealed_.end() && covers(*at, timestamp_ms)) {
      if (const auto value = find_in((*at)->view(), timestamp_ms)) return value;
    }
  }
  if (!late_) return std::nullopt;
  for (const ChunkPtr& chunk : late_->sealed) {
    if (!covers(chunk, timestamp_ms)) continue;
    if (const auto value = find_in(chunk->view(), timestamp_ms)) return value;
  }
  return std::nullopt;
}

Placed Series::append_late(const model::Sample& sample) {
  if (const auto stored = find(sample.timestamp_ms)) return compare(*stored, sample.value);
  if (!late_) late_ = std::make_unique<LateSamples>();
  auto& buffer = late_->buffer;
  const auto at =
      std::lower_bound(buffer.begin(), buffer.end(), sample.timestamp_ms,
                       [](const model::Sample& s, std::int64_t ts) { return s.timestamp_ms < ts; });
  if (at != buffer.end() && at->timestamp_ms == sample.timestamp_ms) {
    return compare(at->value, sample.value);
  }
  buffer.insert(at, sample);
  if (buffer.size() >= kChunkSamplesMax) {
    OpenChunk chunk;
    for (const model::Sample& one : buffer) chunk.append(one.timestamp_ms, one.value);
    late_->sealed.push_back(chunk.seal());
    buffer = {};
  }
  return Placed::Late;
}

std::size_t Series::drop_before(std::int64_t cutoff_ms) {
  std::size_t dropped = 0;
  const auto drop_chunks = [&](std::vector<ChunkPtr>& chunks) {
    std::erase_if(chunks, [&](const ChunkPtr& chunk) {
      if (chunk->last_ms() >= cutoff_ms) return false;
      dropped += chunk->memory_bytes();
      return true;
    });
  };
  if (!sealed_.empty() && sealed_.front()->last_ms() < cutoff_ms) drop_chunks(sealed_);
  if (late_) {
    drop_chunks(late_->sealed);
    std::erase_if(late_->buffer,
                  [&](const model::Sample& s) { return s.timestamp_ms < cutoff_ms; });
    if (late_->sealed.empty() && late_->buffer.empty()) late_.reset();
  }
  if (!open_.empty() && open_.last_ms() < cutoff_ms && sealed_.empty() && !late_) {
    dropped += open_.memory_bytes();
    open_ = OpenChunk();
  }
  return dropped;
}

std::size_t Series::chunk_bytes() const {
  std::size_t bytes = open_.memory_bytes();
  for (const ChunkPtr& chunk : sealed_) bytes += chunk->memory_bytes();
  if (late_) {
    for (const ChunkPtr& chunk : late_->sealed) bytes += chunk->memory_bytes();
    bytes += late_->buffer.capacity() * sizeof(model::Sample);
  }
  return bytes;
}

}  // namespace tocsin::tsdb
