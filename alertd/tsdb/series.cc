#include "alertd/tsdb/series.h"

#include <algorithm>
#include <bit>

#include "alertd/tsdb/chunk_mixer.h"
#include "alertd/tsdb/packed_chunk.h"
#include "alertd/tsdb/segment.h"

namespace tocsin::tsdb {
namespace {

using model::Sample;

bool same_bits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

Placed compare(double stored, double sent) {
  return same_bits(stored, sent) ? Placed::Duplicate : Placed::Conflicting;
}

std::optional<double> find_in(const ChunkView& chunk, std::int64_t timestamp_ms) {
  std::vector<Sample> found;
  if (!decode_chunk(chunk, timestamp_ms, timestamp_ms, found) || found.empty()) return std::nullopt;
  return found.front().value;
}

bool covers(const ChunkPtr& chunk, std::int64_t timestamp_ms) {
  return chunk->first_ms() <= timestamp_ms && timestamp_ms <= chunk->last_ms();
}

std::optional<double> find_in(const std::vector<ChunkPtr>& chunks, std::int64_t timestamp_ms) {
  for (const ChunkPtr& chunk : chunks) {
    if (!covers(chunk, timestamp_ms)) continue;
    if (const auto value = find_in(chunk->view(), timestamp_ms)) return value;
  }
  return std::nullopt;
}

std::size_t bytes_of(const std::vector<ChunkPtr>& chunks) {
  std::size_t bytes = 0;
  for (const ChunkPtr& chunk : chunks) bytes += chunk->memory_bytes();
  return bytes;
}

}  // namespace

Placed Series::append(const Sample& sample, AppendRules& rules) {
  if (sample.timestamp_ms <= open_.last_ms()) {
    if (sample.timestamp_ms == open_.last_ms()) return compare(open_.last_value(), sample.value);
    if (sample.timestamp_ms < open_.last_ms() - rules.window_ms) return Placed::OutOfOrder;
    return append_late(sample, rules);
  }
  // The open chunk is sealed when the next sample comes, not when it is full: so it always has the
  // newest one, which is what rules read most.
  if (open_.count() >= rules.chunk_samples) {
    waiting().sealed.push_back(open_.seal());
    rules.sealed_bytes += waiting_->sealed.back()->memory_bytes();
  }
  open_.append(sample.timestamp_ms, sample.value);
  return Placed::Appended;
}

std::optional<double> Series::find(std::int64_t timestamp_ms, const SegmentSet* segments) const {
  if (!open_.empty() && open_.first_ms() <= timestamp_ms) {
    if (const auto value = find_in(open_.view(), timestamp_ms)) return value;
  }
  if (waiting_) {
    const std::vector<ChunkPtr>& sealed = waiting_->sealed;
    const LateSamples& late = waiting_->late;
    for (const auto* chunks : {&sealed, &late.sealed, &late.settled}) {
      if (const auto value = find_in(*chunks, timestamp_ms)) return value;
    }
  }
  if (segments == nullptr || !reaches_disk(timestamp_ms)) return std::nullopt;
  return segments->value_at(ref_, timestamp_ms);
}

Placed Series::append_late(const Sample& sample, const AppendRules& rules) {
  if (const auto stored = find(sample.timestamp_ms, rules.segments)) {
    return compare(*stored, sample.value);
  }
  LateSamples& late = waiting().late;
  auto& buffer = late.buffer;
  const auto at =
      std::lower_bound(buffer.begin(), buffer.end(), sample.timestamp_ms,
                       [](const Sample& s, std::int64_t ts) { return s.timestamp_ms < ts; });
  if (at != buffer.end() && at->timestamp_ms == sample.timestamp_ms) {
    return compare(at->value, sample.value);
  }
  buffer.insert(at, sample);
  if (buffer.size() >= kChunkSamplesMax) {
    OpenChunk chunk;
    for (const Sample& one : buffer) chunk.append(one.timestamp_ms, one.value);
    late.sealed.push_back(chunk.seal());
    buffer = {};
  }
  return Placed::Late;
}

bool Series::settle(std::int64_t idle_before_ms) {
  if (!open_.empty() && open_.last_ms() < idle_before_ms) {
    waiting().sealed.push_back(open_.seal());
  }
  if (sealed().empty()) return false;
  LateSamples& late = waiting_->late;
  if (late.empty()) return true;
  const std::int64_t first_ms = waiting_->sealed.front()->first_ms();
  const std::int64_t last_ms = waiting_->sealed.back()->last_ms();
  ChunkMixer mixer;
  mixer.add(late.settled);
  mixer.add(late.sealed);
  for (const Sample& sample : late.buffer) mixer.add(sample);
  late = {};
  if (first_ms > std::numeric_limits<std::int64_t>::min()) {
    late.settled = mixer.take(std::numeric_limits<std::int64_t>::min(), first_ms - 1);
  }
  std::vector<Sample> rest = mixer.rest();
  const auto end = std::partition_point(rest.begin(), rest.end(), [&](const Sample& sample) {
    return sample.timestamp_ms <= last_ms;
  });
  if (end != rest.begin()) {
    ChunkMixer among;
    among.add(waiting_->sealed);
    std::for_each(rest.begin(), end, [&](const Sample& sample) { among.add(sample); });
    waiting_->sealed = among.take(first_ms, last_ms);
  }
  // Later than all sealed ones: they wait for the open chunk.
  rest.erase(rest.begin(), end);
  if (rest.size() < kChunkSamplesMax) {
    late.buffer = std::move(rest);
  } else {
    late.sealed = mixer.take(rest.front().timestamp_ms, rest.back().timestamp_ms);
  }
  return true;
}

void Series::written(std::int64_t last_ms, const char* record) {
  record_ = record;
  if (waiting_ && on_disk) {
    // What a start read twice may be there with late samples that this record has not.
    for (const ChunkPtr& chunk : waiting_->sealed) {
      if (chunk->last_ms() == last_ms && chunk->first_ms() <= newest_on_disk_ms_) record_ = nullptr;
    }
  }
  newest_on_disk_ms_ = on_disk ? std::max(newest_on_disk_ms_, last_ms) : last_ms;
  on_disk = true;
  if (!waiting_) return;
  std::erase_if(waiting_->sealed,
                [&](const ChunkPtr& chunk) { return chunk->last_ms() <= last_ms; });
  waiting_->late.settled.clear();
  release_waiting();
}

void Series::drop_doubled(const SegmentSet& segments) {
  if (!waiting_) return;
  std::vector<StoredChunk> stored;
  ChunkPacker packer;
  std::erase_if(waiting_->sealed, [&](const ChunkPtr& chunk) {
    stored.clear();
    segments.find(ref_, chunk->first_ms(), chunk->last_ms(), stored);
    // Segments of earlier versions have chunks as they are in memory.
    const ChunkView view = chunk->view();
    const ChunkView packed = packer.pack(view);
    return std::any_of(stored.begin(), stored.end(), [&](const StoredChunk& one) {
      return one.view.first_ms == view.first_ms && one.view.count == view.count &&
             one.view.bytes == (one.view.code == packed.code ? packed.bytes : view.bytes);
    });
  });
  release_waiting();
}

void Series::drop_before(std::int64_t cutoff_ms) {
  if (waiting_) {
    LateSamples& late = waiting_->late;
    for (auto* chunks : {&waiting_->sealed, &late.sealed, &late.settled}) {
      std::erase_if(*chunks, [&](const ChunkPtr& chunk) { return chunk->last_ms() < cutoff_ms; });
    }
    std::erase_if(late.buffer, [&](const Sample& s) { return s.timestamp_ms < cutoff_ms; });
    release_waiting();
  }
  if (!open_.empty() && open_.last_ms() < cutoff_ms && !waiting_) open_ = OpenChunk();
}

std::size_t Series::sealed_bytes() const {
  if (!waiting_) return 0;
  return bytes_of(waiting_->sealed) + bytes_of(waiting_->late.sealed) +
         bytes_of(waiting_->late.settled);
}

std::size_t Series::chunk_bytes() const {
  const std::size_t buffer =
      waiting_ ? waiting_->late.buffer.capacity() * sizeof(model::Sample) : 0;
  return open_.memory_bytes() + sealed_bytes() + buffer;
}

}  // namespace tocsin::tsdb
