// Writes full chunks from memory into a segment.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "alertd/tsdb/head.h"
#include "alertd/tsdb/job.h"
#include "alertd/tsdb/segment_writer.h"

namespace tocsin::tsdb {

/// What goes into a flush.
struct FlushLimits {
  std::int64_t idle_before_ms = 0;  ///< Open chunks whose newest sample is before that go too.
  std::int64_t span_ms = 0;         ///< Chunks that begin later than so much after the first stay.
};

/// Memory keeps everything until the segment is known to readers: see apply().
class SegmentFlush final : public Job {
 public:
  SegmentFlush(base::FileSystem& files, std::string folder, std::uint64_t number, Head& head,
               const FlushLimits& limits)
      : files_(files), folder_(std::move(folder)), number_(number), head_(head), limits_(limits) {}

  base::Result<bool> step() override;

  /// Whether there is a segment now; there is none if there was nothing to write.
  bool wrote() const { return !written_.empty(); }
  std::uint64_t number() const { return number_; }
  /// Bytes that the chunks written take in memory.
  std::uint64_t memory_bytes() const { return memory_bytes_; }
  /// Drops from memory what the segment has, which readers already see.
  void apply(const Segment& segment);

 private:
  struct Candidate {
    SeriesRef ref;
    Slot slot = kNoSlot;
  };
  void collect();
  base::Result<void> write(const Candidate& candidate);

  base::FileSystem& files_;
  std::string folder_;
  std::uint64_t number_;
  Head& head_;
  FlushLimits limits_;
  std::unique_ptr<SegmentWriter> writer_;
  std::int64_t until_ms_ = 0;
  std::vector<Candidate> candidates_;
  std::size_t next_ = 0;
  std::vector<WrittenSeries> written_;
  std::uint64_t memory_bytes_ = 0;
};

}  // namespace tocsin::tsdb
