// Reads the frames of one file, and finds its way past damage.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "alertd/tsdb/wal_format.h"
#include "common/base/file_system.h"

namespace tocsin::tsdb {

/// One frame; the payload is valid until the next call of next().
struct Frame {
  RecordType type{};
  std::string_view payload;
};

/// Streams a file. After damage it looks for the next magic with a right checksum. Thread: one.
class FrameReader {
 public:
  explicit FrameReader(const base::ReadFile& file) : file_(file) {}

  /// Returns the next good frame, or nullopt at the end. Errors: Io.
  base::Result<std::optional<Frame>> next();

  /// Where the first damage begins: the end of the file if there was none.
  std::uint64_t good_bytes() const { return good_bytes_; }
  std::uint64_t damaged_bytes() const { return damaged_bytes_; }
  /// Whether a good frame followed damage: then it is not a torn tail.
  bool damaged_in_the_middle() const { return middle_; }
  std::uint64_t frames() const { return frames_; }

 private:
  std::string_view rest() const { return std::string_view(buffer_).substr(at_); }
  base::Result<void> fill(std::size_t bytes);
  base::Result<bool> frame_here(Frame& frame);
  base::Result<void> skip_to_magic();

  const base::ReadFile& file_;
  std::string buffer_;
  std::size_t at_ = 0;      // in buffer_
  std::uint64_t read_ = 0;  // bytes of the file in or before buffer_
  std::uint64_t good_bytes_ = 0;
  std::uint64_t damaged_bytes_ = 0;
  std::uint64_t frames_ = 0;
  bool skipping_ = false;
  bool middle_ = false;
};

}  // namespace tocsin::tsdb
