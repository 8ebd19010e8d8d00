// The bytes of a segment: records of chunks, the labels of their series, an index, a footer.
//
// Pure functions over bytes; files are segment.h and segment_writer.h. Layout: SEGMENT_FORMAT.md.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alertd/tsdb/byte_codec.h"
#include "alertd/tsdb/chunk.h"
#include "alertd/tsdb/labels_block.h"
#include "alertd/tsdb/series_ref.h"

namespace tocsin::tsdb {

inline constexpr std::size_t kSegmentHeaderBytes = 16;
inline constexpr std::size_t kRecordHeaderBytes = 8;
inline constexpr std::size_t kRecordBytesMax = 64 << 10;
/// A record is closed at so many bytes: what one flipped bit costs.
inline constexpr std::size_t kRecordBytesGoal = 2 << 10;
/// Offsets have 32 bits.
inline constexpr std::uint64_t kSegmentBytesMax = 0xf0000000;

/// The version: what is written, and that before chunks could be packed, which is read too.
inline constexpr std::string_view kSegmentMagic = "TSG2";
inline constexpr std::string_view kSegmentMagicBefore = "TSG1";

/// Returns the first bytes of a segment.
std::string segment_header(std::uint64_t number, std::string_view magic = kSegmentMagic);

/// A record is its length, its checksum and its payload; the checksum knows where the record is.
void put_record(std::string_view payload, std::uint64_t number, std::uint64_t offset,
                std::string& out);
/// Returns the payload of the record at `offset`, or nullopt if there is no good one.
std::optional<std::string_view> record_at(std::string_view file, std::uint64_t number,
                                          std::uint64_t offset);

/// A full chunk in a segment. kChunkPadding bytes follow its bytes: the footer is longer.
struct StoredChunk {
  ChunkView view;
  std::int64_t last_ms = 0;
};

/// Starts the payload of a record of chunks; ref 0 is a record of labels.
void begin_chunks(SeriesRef ref, std::string& payload);
void put_stored_chunk(const ChunkView& chunk, std::int64_t last_ms, std::string& payload);

/// Takes a record of chunks apart.
class RecordReader {
 public:
  explicit RecordReader(std::string_view payload) : reader_(payload), ref_{reader_.varint()} {}

  SeriesRef ref() const { return ref_; }
  bool is_labels() const { return ref_.value == 0; }
  /// The bytes after the ref.
  ByteReader& body() { return reader_; }
  /// Reads the next chunk; false at the end and at damage.
  bool next(StoredChunk& chunk);
  bool ok() const { return reader_.ok(); }

 private:
  ByteReader reader_;
  SeriesRef ref_;
};

/// Takes the labels of a segment's series.
using SeriesVisit = std::function<void(SeriesRef ref, model::Labels labels)>;
/// Starts a record of labels: refs as differences, labels as LabelsWriter has them.
class LabelsRecord {
 public:
  void put(SeriesRef ref, const model::Labels& labels);
  bool empty() const { return labels_.empty(); }
  std::size_t size() const { return labels_.size(); }
  /// Appends the payload to `payload` and starts afresh.
  void finish(std::string& payload);

 private:
  LabelsWriter labels_;
  std::uint64_t last_ref_ = 0;
};
/// Visits the series of a record of labels up to the first damage; none if it is another record.
void read_labels_record(std::string_view payload, const SeriesVisit& visit);

/// Where a record is: of a series, or of labels (ref 0). Times are relative to the segment's first;
/// those that do not fit are kFar.
struct IndexEntry {
  static constexpr std::uint32_t kFar = 0xffffffff;
  std::uint64_t ref = 0;
  std::uint32_t offset = 0;
  std::uint32_t length = 0;  ///< Of the payload.
  std::uint32_t first = 0;
  std::uint32_t last = 0;

  static std::uint32_t relative(std::int64_t time_ms, std::int64_t base_ms) {
    const std::uint64_t distance = as_u64(time_ms) - as_u64(base_ms);
    return distance < kFar ? static_cast<std::uint32_t>(distance) : kFar;
  }
};
static_assert(sizeof(IndexEntry) == 24);

/// The end of a segment.
struct SegmentFooter {
  std::uint64_t number = 0;
  std::uint64_t index_offset = 0;  ///< The entries, then the numbers of replaced segments.
  std::uint64_t entries = 0;
  std::uint64_t replaced = 0;
  std::int64_t first_ms = 0;
  std::int64_t last_ms = 0;
  std::uint64_t samples = 0;
  std::uint64_t index_check = 0;
};
inline constexpr std::size_t kSegmentFooterBytes = 8 + sizeof(SegmentFooter) + 8;

std::string segment_footer(const SegmentFooter& footer, std::string_view magic = kSegmentMagic);
/// Returns the footer of a whole file, or nullopt if it is damaged or not that of `number`.
std::optional<SegmentFooter> read_segment_footer(std::string_view file, std::uint64_t number);

}  // namespace tocsin::tsdb
