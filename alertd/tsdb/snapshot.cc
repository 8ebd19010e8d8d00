#include "alertd/tsdb/snapshot.h"

#include <fmt/core.h>

#include <algorithm>

namespace tocsin::tsdb {

void Snapshot::add_late(Entry& entry, const LateSamples& late) {
  for (const auto* chunks : {&late.sealed, &late.settled}) {
    for (const ChunkPtr& chunk : *chunks) {
      if (overlaps(chunk->first_ms(), chunk->last_ms())) chunks_.push_back(chunk);
    }
  }
  entry.late_begin = static_cast<std::uint32_t>(late_.size());
  for (const model::Sample& sample : late.buffer) {
    if (overlaps(sample.timestamp_ms, sample.timestamp_ms)) late_.push_back(sample);
  }
  entry.late_count = static_cast<std::uint32_t>(late_.size()) - entry.late_begin;
  entry.mixed = true;
}

void Snapshot::add(const std::shared_ptr<Series>& series, std::uint32_t tag) {
  if (series->last_ms() < begin_ms_) return;
  Entry entry;
  entry.tag = tag;
  entry.on_disk = segments_overlap_ && series->reaches_disk(begin_ms_);
  entry.chunk_begin = static_cast<std::uint32_t>(chunks_.size());
  const auto sealed = series->sealed();
  // Ordered and without overlap; queries look at the newest part, so search from the end.
  auto first = sealed.end();
  while (first != sealed.begin() && (*std::prev(first))->last_ms() >= begin_ms_) --first;
  for (; first != sealed.end() && (*first)->first_ms() <= end_ms_; ++first) {
    chunks_.push_back(*first);
  }
  const OpenChunk& open = series->open();
  if (!open.empty() && overlaps(open.first_ms(), open.last_ms())) {
    const ChunkView view = open.view();
    entry.open_begin = bytes_.size();
    entry.open_bytes = static_cast<std::uint32_t>(view.bytes.size());
    entry.open_first_ms = view.first_ms;
    entry.open_count = view.count;
    bytes_ += view.bytes;
  }
  if (series->late() != nullptr) add_late(entry, *series->late());
  entry.chunk_count = static_cast<std::uint32_t>(chunks_.size()) - entry.chunk_begin;
  if (!entry.in_memory() && !entry.on_disk) return;
  entry.series = series;
  entries_.push_back(std::move(entry));
}

void Snapshot::finish() {
  bytes_.append(kChunkPadding, '\0');
  if (!segments_overlap_) return;
  std::erase_if(entries_, [&](const Entry& entry) {
    return !entry.in_memory() && !segments_->has(entry.series->ref(), begin_ms_, end_ms_);
  });
}

bool Snapshot::read_segments(const Entry& entry, std::int64_t begin_ms, std::int64_t end_ms,
                             std::vector<model::Sample>& out) const {
  std::vector<StoredChunk> chunks;
  segments_->find(entry.series->ref(), std::max(begin_ms, begin_ms_), std::min(end_ms, end_ms_),
                  chunks);
  bool good = true;
  for (const StoredChunk& chunk : chunks) {
    good = decode_chunk(chunk.view, begin_ms, end_ms, out) && good;
  }
  return good;
}

base::Result<void> Snapshot::samples(std::size_t series, std::int64_t begin_ms, std::int64_t end_ms,
                                     std::vector<model::Sample>& out) const {
  const Entry& entry = entries_[series];
  const auto start = static_cast<std::ptrdiff_t>(out.size());
  bool good = !entry.on_disk || read_segments(entry, begin_ms, end_ms, out);
  for (std::uint32_t i = 0; i < entry.chunk_count; ++i) {
    const Chunk& chunk = *chunks_[entry.chunk_begin + i];
    if (chunk.first_ms() > end_ms || chunk.last_ms() < begin_ms) continue;
    good = decode_chunk(chunk.view(), begin_ms, end_ms, out) && good;
  }
  if (entry.open_count > 0) {
    const std::string_view bytes(bytes_.data() + entry.open_begin, entry.open_bytes);
    good =
        decode_chunk({entry.open_first_ms, entry.open_count, bytes}, begin_ms, end_ms, out) && good;
  }
  if (!good) {
    return base::error(base::ErrorCode::Corruption,
                       fmt::format("damaged chunk in series {}", labels(series).to_string()));
  }
  // Segments may overlap each other, and for a moment have what is in memory too.
  const auto ordered = [&] {
    return std::adjacent_find(out.begin() + start, out.end(), [](const auto& a, const auto& b) {
             return a.timestamp_ms >= b.timestamp_ms;
           }) == out.end();
  };
  if (!entry.mixed && (!entry.on_disk || ordered())) return base::ok();
  for (std::uint32_t i = 0; i < entry.late_count; ++i) {
    const model::Sample& sample = late_[entry.late_begin + i];
    if (sample.timestamp_ms >= begin_ms && sample.timestamp_ms <= end_ms) out.push_back(sample);
  }
  std::stable_sort(out.begin() + start, out.end(),
                   [](const auto& a, const auto& b) { return a.timestamp_ms < b.timestamp_ms; });
  out.erase(
      std::unique(out.begin() + start, out.end(),
                  [](const auto& a, const auto& b) { return a.timestamp_ms == b.timestamp_ms; }),
      out.end());
  return base::ok();
}

}  // namespace tocsin::tsdb
