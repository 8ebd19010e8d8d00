// Writes a segment, series by series; it has its name only when it is whole and on disk.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "alertd/tsdb/packed_chunk.h"
#include "alertd/tsdb/segment_format.h"
#include "common/base/file_system.h"

namespace tocsin::tsdb {

/// One segment being written. Owner: one thread. Destroyed before finish(), it removes what it
/// wrote.
class SegmentWriter {
 public:
  /// Errors: Io.
  static base::Result<std::unique_ptr<SegmentWriter>> begin(base::FileSystem& files,
                                                            const std::string& folder,
                                                            std::uint64_t number);
  ~SegmentWriter();
  SegmentWriter(const SegmentWriter&) = delete;
  SegmentWriter& operator=(const SegmentWriter&) = delete;

  /// Adds a chunk, packed if that is shorter; refs must not fall, of one ref the first times must
  /// not. Errors: Io, LimitExceeded (the segment is as large as one can be).
  base::Result<void> add(SeriesRef ref, const ChunkView& chunk, std::int64_t last_ms);
  /// Adds the labels of a series; any order. Errors: Io.
  base::Result<void> add_labels(SeriesRef ref, const model::Labels& labels);
  /// Ends, syncs and names the file; `replaces` are the segments that it was made of. Errors: Io.
  base::Result<void> finish(const std::vector<std::uint64_t>& replaces);

  std::uint64_t number() const { return number_; }
  std::uint64_t bytes() const { return offset_ + buffer_.size(); }
  std::uint64_t samples() const { return samples_; }

 private:
  struct Record {
    IndexEntry entry;
    std::int64_t first_ms = std::numeric_limits<std::int64_t>::max();
    std::int64_t last_ms = std::numeric_limits<std::int64_t>::min();
  };
  SegmentWriter(base::FileSystem& files, std::string folder, std::uint64_t number);
  std::string temporary_path() const;
  base::Result<void> close_record();
  base::Result<void> close_labels();
  base::Result<void> put(Record record, std::string_view payload);
  base::Result<void> flush();

  base::FileSystem& files_;
  std::string folder_;
  std::uint64_t number_;
  std::unique_ptr<base::AppendFile> file_;
  std::string buffer_;
  std::uint64_t offset_ = 0;  // of buffer_ in the file
  std::uint64_t unsynced_bytes_ = 0;
  ChunkPacker packer_;
  std::string payload_;
  Record record_;  // that payload_ belongs to
  LabelsRecord labels_;
  std::vector<Record> records_;
  std::uint64_t samples_ = 0;
  bool named_ = false;
  bool finished_ = false;
};

}  // namespace tocsin::tsdb
