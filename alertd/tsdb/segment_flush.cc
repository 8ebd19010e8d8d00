#include "alertd/tsdb/segment_flush.h"

#include <algorithm>

namespace tocsin::tsdb {
namespace {

/// Series written between two groups of batches: a few milliseconds.
constexpr std::size_t kFlushSlice = 1024;

}  // namespace

void SegmentFlush::collect() {
  std::int64_t first_ms = std::numeric_limits<std::int64_t>::max();
  head_.read([&](const SeriesTable& table) {
    for (Slot slot = 0; slot < table.slot_end(); ++slot) {
      const auto& series = table.get(slot);
      if (series == nullptr) continue;
      const bool idle = !series->open().empty() && series->last_ms() < limits_.idle_before_ms;
      if (series->sealed().empty() && !idle) continue;
      candidates_.push_back({series->ref(), slot});
      first_ms = std::min(first_ms, series->first_in_memory_ms());
    }
  });
  std::sort(candidates_.begin(), candidates_.end(),
            [](const Candidate& a, const Candidate& b) { return a.ref < b.ref; });
  const std::int64_t room = std::numeric_limits<std::int64_t>::max() - limits_.span_ms;
  until_ms_ = first_ms < room ? first_ms + limits_.span_ms : first_ms;
}

base::Result<void> SegmentFlush::write(const Candidate& candidate) {
  if (!head_.settle(candidate.slot, limits_.idle_before_ms)) return base::ok();
  return head_.read([&](const SeriesTable& table) -> base::Result<void> {
    const auto& series = table.get(candidate.slot);
    // The slot may be another series by now.
    if (series->ref() != candidate.ref) return base::ok();
    const auto sealed = series->sealed();
    if (sealed.front()->first_ms() > until_ms_) return base::ok();
    if (const LateSamples* late = series->late()) {
      for (const ChunkPtr& chunk : late->settled) {
        TC_TRY(writer_->add(candidate.ref, chunk->view(), chunk->last_ms()));
        memory_bytes_ += chunk->memory_bytes();
      }
    }
    WrittenSeries written{candidate.slot, candidate.ref, 0, nullptr};
    for (const ChunkPtr& chunk : sealed) {
      if (chunk->first_ms() > until_ms_) break;
      TC_TRY(writer_->add(candidate.ref, chunk->view(), chunk->last_ms()));
      memory_bytes_ += chunk->memory_bytes();
      written.last_ms = chunk->last_ms();
    }
    written_.push_back(written);
    return writer_->add_labels(candidate.ref, series->labels());
  });
}

base::Result<bool> SegmentFlush::step() {
  if (writer_ == nullptr) {
    collect();
    if (candidates_.empty()) return true;
    TC_TRY(writer_, SegmentWriter::begin(files_, folder_, number_));
    return false;
  }
  const std::size_t end = std::min(candidates_.size(), next_ + kFlushSlice);
  for (; next_ < end; ++next_) TC_TRY(write(candidates_[next_]));
  if (next_ < candidates_.size()) return false;
  if (written_.empty()) return true;
  TC_TRY(writer_->finish({}));
  return true;
}

void SegmentFlush::apply(const Segment& segment) {
  const std::uint64_t count = segment.records();
  std::uint64_t at = 0;
  for (WrittenSeries& one : written_) {
    for (; at < count && segment.entry(at).ref <= one.ref.value; ++at) {
      const IndexEntry entry = segment.entry(at);
      if (entry.ref == one.ref.value) one.record = segment.record_address(entry);
    }
  }
  head_.written(written_);
}

}  // namespace tocsin::tsdb
