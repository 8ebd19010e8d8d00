// The bytes of the log and of checkpoints: frames with a checksum, and the records inside.
//
// Pure functions over bytes; files are wal.h and frame_reader.h. Layout: WAL_FORMAT.md.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "alertd/tsdb/labels_block.h"
#include "alertd/tsdb/series.h"
#include "common/base/result.h"
#include "common/model/write_batch.h"

namespace tocsin::tsdb {

enum class RecordType : std::uint8_t {
  Series = 1,   ///< New series: ref and labels, any number.
  Samples = 2,  ///< Samples of series named by ref.
  State = 3,    ///< Checkpoint of earlier versions: series with all their chunks.
  End = 4,      ///< Checkpoint: the last frame; the number of series.
  Heads = 5,    ///< Checkpoint: series with what of them is in no segment.
  Begin = 6,    ///< Checkpoint: the first frame; the number of the next segment.
};

inline constexpr std::string_view kFrameMagic = "TSW1";
/// Magic, type, length, checksum.
inline constexpr std::size_t kFrameHeaderBytes = 4 + 1 + 4 + 4;
/// Larger lengths are damage. A frame is closed at kFrameBytesGoal and one series or batch more.
inline constexpr std::size_t kFrameBytesMax = 64 << 20;
inline constexpr std::size_t kFrameBytesGoal = 1 << 20;

/// Appends a frame around `payload` to `out`.
void put_frame(RecordType type, std::string_view payload, std::string& out);

/// A frame found in bytes.
struct FrameHeader {
  RecordType type{};
  std::uint32_t length = 0;
  std::uint32_t checksum = 0;
};
/// Reads a header (kFrameHeaderBytes); nullopt if it cannot be one.
std::optional<FrameHeader> read_frame_header(std::string_view bytes);
/// Returns whether the payload is what the header says.
bool frame_matches(const FrameHeader& header, std::string_view payload);

/// Builds the payload of a Series record.
void put_series(SeriesRef ref, const model::Labels& labels, std::string& payload);

/// Builds the payload of a Samples record; refs and times are differences within the record.
class SamplesWriter {
 public:
  void add(SeriesRef ref, std::span<const model::Sample> samples, std::string& payload);
  void reset() { *this = SamplesWriter(); }

 private:
  std::uint64_t last_ref_ = 0;
  std::int64_t last_ms_ = 0;
};

/// Builds the payload of a Heads record.
class HeadsWriter {
 public:
  void add(const Series& series);
  std::size_t size() const { return labels_.size(); }
  bool empty() const { return labels_.empty(); }
  /// Appends the payload to `payload` and starts afresh.
  void finish(std::string& payload);

 private:
  LabelsWriter labels_;
  std::uint64_t last_ref_ = 0;
};

/// Builds the payload of an End or a Begin record.
void put_number(std::uint64_t number, std::string& payload);

/// Takes the records of a payload apart.
class RecordVisitor {
 public:
  virtual ~RecordVisitor() = default;
  virtual void on_series(SeriesRef ref, model::Labels labels) = 0;
  virtual void on_sample(SeriesRef ref, const model::Sample& sample) = 0;
  /// `series` has all its chunks, except that of a State record the samples of the open chunk
  /// follow as on_sample.
  virtual void on_state(Series series) = 0;
  virtual void on_begin(std::uint64_t next_segment) = 0;
  virtual void on_end(std::uint64_t series) = 0;
};

/// Parses one payload and calls the visitor for each record in it.
/// Errors: Corruption (what came before the damage has been visited). Never reads outside
/// `payload`.
base::Result<void> parse_payload(RecordType type, std::string_view payload, RecordVisitor& visitor);

}  // namespace tocsin::tsdb
