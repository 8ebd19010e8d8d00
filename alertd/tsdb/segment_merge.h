// Makes one segment of several, or a good one of a damaged one.
//
// Queries over days look a series up in a few large segments instead of many small ones, and find
// its chunks side by side. Chunks are copied as they are; only those that overlap (late samples)
// are decoded and put in order.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "alertd/tsdb/job.h"
#include "alertd/tsdb/segment.h"
#include "alertd/tsdb/segment_writer.h"

namespace tocsin::tsdb {

class SegmentMerge final : public Job {
 public:
  /// The inputs stay as they are.
  SegmentMerge(base::FileSystem& files, std::string folder, std::uint64_t number,
               std::vector<SegmentPtr> inputs);

  base::Result<bool> step() override;

  const std::vector<SegmentPtr>& inputs() const { return inputs_; }
  std::uint64_t number() const { return number_; }
  /// Whether there is a segment now.
  bool wrote() const { return wrote_; }
  /// Whether nothing came of it because an input among others turned out damaged: that one is to be
  /// copied alone first, so that its file is known to be a damaged one.
  bool abandoned() const { return inputs_.size() > 1 && bad_records_ > 0; }
  /// Records that could not be read.
  std::uint64_t bad_records() const { return bad_records_; }

 private:
  base::Result<void> copy_labels(std::size_t input);
  base::Result<void> copy_series(std::uint64_t ref);
  bool next_ref(std::uint64_t& ref) const;
  bool is_new(SeriesRef ref);

  base::FileSystem& files_;
  std::string folder_;
  std::uint64_t number_;
  std::vector<SegmentPtr> inputs_;  // the oldest first: of doubled samples its one stays
  std::vector<std::uint64_t> at_;   // the next record of each
  std::size_t labels_of_ = 0;       // the input whose labels are being copied
  std::unique_ptr<SegmentWriter> writer_;
  std::unordered_set<std::uint64_t> labelled_;
  std::uint64_t bad_records_ = 0;
  bool wrote_ = false;
};

/// When segments are made one.
struct MergeLimits {
  std::uint64_t bytes_max = 0;  ///< Of the segment made.
  std::int64_t span_ms = 0;     ///< From its first to its last sample.
  std::int64_t before_ms = 0;   ///< Segments with later samples stay: rules read them.
};

/// Returns neighbours of about the same size that should be one segment; empty if there are none.
std::vector<SegmentPtr> plan_merge(const SegmentSet& segments, const MergeLimits& limits);

}  // namespace tocsin::tsdb
