#include "alertd/tsdb/segment_merge.h"

#include <algorithm>
#include <bit>

#include "alertd/tsdb/chunk_mixer.h"

namespace tocsin::tsdb {
namespace {

/// Written between two groups of batches: about a millisecond.
constexpr std::uint64_t kMergeSliceBytes = 512 << 10;
/// So many of the same size make one: each byte is written again once for each step of four.
constexpr std::size_t kMergeFrom = 4;
constexpr std::size_t kMergeTo = 16;

bool overlap(const std::vector<StoredChunk>& chunks) {
  for (std::size_t i = 1; i < chunks.size(); ++i) {
    if (chunks[i].view.first_ms <= chunks[i - 1].last_ms) return true;
  }
  return false;
}

/// Sizes within a factor of four are alike.
int tier_of(std::uint64_t bytes) {
  return bytes < (1U << 20U) ? 0 : (static_cast<int>(std::bit_width(bytes)) - 19) / 2;
}

}  // namespace

SegmentMerge::SegmentMerge(base::FileSystem& files, std::string folder, std::uint64_t number,
                           std::vector<SegmentPtr> inputs)
    : files_(files),
      folder_(std::move(folder)),
      number_(number),
      inputs_(std::move(inputs)),
      at_(inputs_.size(), 0) {
  std::sort(inputs_.begin(), inputs_.end(), [](const SegmentPtr& a, const SegmentPtr& b) {
    return a->info().number < b->info().number;
  });
}

bool SegmentMerge::is_new(SeriesRef ref) {
  return labelled_.insert(ref.value).second;
}

base::Result<void> SegmentMerge::copy_labels(std::size_t input) {
  const Segment& segment = *inputs_[input];
  const IndexEntry entry = segment.entry(at_[input]++);
  const auto payload = segment.payload(entry);
  if (!payload) {
    ++bad_records_;
    return base::ok();
  }
  base::Result<void> result = base::ok();
  read_labels_record(*payload, [&](SeriesRef ref, const model::Labels& labels) {
    if (result && is_new(ref)) result = writer_->add_labels(ref, labels);
  });
  return result;
}

bool SegmentMerge::next_ref(std::uint64_t& ref) const {
  bool found = false;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    if (at_[i] >= inputs_[i]->records()) continue;
    const std::uint64_t next = inputs_[i]->entry(at_[i]).ref;
    if (!found || next < ref) ref = next;
    found = true;
  }
  return found;
}

base::Result<void> SegmentMerge::copy_series(std::uint64_t ref) {
  std::vector<StoredChunk> chunks;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const std::uint64_t count = inputs_[i]->records();
    for (; at_[i] < count; ++at_[i]) {
      const IndexEntry entry = inputs_[i]->entry(at_[i]);
      if (entry.ref != ref) break;
      const auto payload = inputs_[i]->payload(entry);
      if (!payload) {
        ++bad_records_;
        continue;
      }
      RecordReader reader(*payload);
      for (StoredChunk chunk; reader.next(chunk);) chunks.push_back(chunk);
    }
  }
  std::stable_sort(chunks.begin(), chunks.end(), [](const StoredChunk& a, const StoredChunk& b) {
    return a.view.first_ms < b.view.first_ms;
  });
  if (!overlap(chunks)) {
    for (const StoredChunk& chunk : chunks) {
      TC_TRY(writer_->add(SeriesRef{ref}, chunk.view, chunk.last_ms));
    }
    return base::ok();
  }
  ChunkMixer mixer;
  for (const StoredChunk& chunk : chunks) mixer.add(chunk.view, chunk.last_ms);
  for (const ChunkPtr& chunk : mixer.take()) {
    TC_TRY(writer_->add(SeriesRef{ref}, chunk->view(), chunk->last_ms()));
  }
  return base::ok();
}

base::Result<bool> SegmentMerge::step() {
  if (writer_ == nullptr) {
    TC_TRY(writer_, SegmentWriter::begin(files_, folder_, number_));
  }
  const std::uint64_t until = writer_->bytes() + kMergeSliceBytes;
  for (int records = 0; labels_of_ < inputs_.size(); ++records) {
    const Segment& segment = *inputs_[labels_of_];
    if (at_[labels_of_] >= segment.records() || segment.entry(at_[labels_of_]).ref != 0) {
      ++labels_of_;
      continue;
    }
    if (records >= 4) return false;
    TC_TRY(copy_labels(labels_of_));
  }
  std::uint64_t ref = 0;
  while (writer_->bytes() < until) {
    if (next_ref(ref)) {
      TC_TRY(copy_series(ref));
      continue;
    }
    if (writer_->samples() == 0 || abandoned()) return true;
    std::vector<std::uint64_t> replaces;
    for (const SegmentPtr& input : inputs_) replaces.push_back(input->info().number);
    TC_TRY(writer_->finish(replaces));
    wrote_ = true;
    return true;
  }
  return false;
}

std::vector<SegmentPtr> plan_merge(const SegmentSet& segments, const MergeLimits& limits) {
  std::vector<SegmentPtr> run;
  std::uint64_t bytes = 0;
  std::int64_t first_ms = 0;
  std::int64_t last_ms = 0;
  for (const SegmentPtr& segment : segments.all()) {
    const SegmentInfo& info = segment->info();
    const bool joins = !run.empty() && tier_of(info.bytes) == tier_of(run.back()->info().bytes) &&
                       bytes + info.bytes <= limits.bytes_max &&
                       std::max(last_ms, info.last_ms) - first_ms <= limits.span_ms &&
                       run.size() < kMergeTo;
    const bool fits = info.last_ms < limits.before_ms;
    if (!run.empty() && !(fits && joins)) {
      if (run.size() >= kMergeFrom) return run;
      run.clear();
    }
    if (!fits) continue;
    if (run.empty()) {
      bytes = 0;
      first_ms = info.first_ms;
      last_ms = info.last_ms;
    }
    run.push_back(segment);
    bytes += info.bytes;
    last_ms = std::max(last_ms, info.last_ms);
  }
  if (run.size() < kMergeFrom) run.clear();
  return run;
}

}  // namespace tocsin::tsdb
