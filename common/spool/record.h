// Framing of the disk queue: what one segment file holds, byte by byte. SPOOL_FORMAT.md is the
// contract.
//
// Everything here is pure: bytes in, records out. A length field is never believed before it has
// been compared with the bytes that are there, and the checksum covers the header too, so that a
// flipped bit in a length or a sequence number is damage and not a wild read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tocsin::spool {

inline constexpr std::size_t kSegmentHeaderBytes = 16;
inline constexpr std::size_t kRecordHeaderBytes = 32;
inline constexpr std::size_t kRecordPayloadBytesMax = 16 << 20;

/// Where a record lies in its segment, and what its header says.
struct RecordPlace {
  std::uint64_t sequence = 0;
  std::int64_t created_ms = 0;
  std::uint32_t samples = 0;
  std::uint32_t payload_bytes = 0;
  std::uint32_t offset = 0;  ///< Of the header, from the start of the file.
};

/// How the reading of a segment ended.
enum class SegmentEnd {
  Clean,    ///< The last record ends with the file.
  Torn,     ///< The last record is incomplete, as a crash leaves it.
  Damaged,  ///< Bytes in the middle are wrong.
};

struct SegmentScan {
  std::vector<RecordPlace> records;
  std::uint64_t valid_bytes =
      0;  ///< Up to here everything is sound; 0 if not even the file's header.
  SegmentEnd end = SegmentEnd::Clean;
};

/// Returns the first bytes of a segment whose first record will be `first_sequence`.
std::string encode_segment_header(std::uint64_t first_sequence);

/// Returns one framed record. `payload` is at most kRecordPayloadBytesMax.
std::string encode_record(const RecordPlace& place, std::string_view payload);

/// Finds the records of a whole segment file, checking every checksum.
///
/// Pure; never fails: what cannot be read ends the scan, and `end` says how.
SegmentScan scan_segment(std::string_view bytes, std::uint64_t first_sequence);

/// Returns the payload of one framed record, or nullopt if the bytes are not the record that
/// `expected` describes or its checksum is wrong. The view points into `bytes`.
std::optional<std::string_view> read_record(std::string_view bytes, const RecordPlace& expected);

/// Returns "00000000000000ff.seg"; sorts by sequence.
std::string segment_name(std::uint64_t first_sequence);

/// Returns the sequence in a segment's name, or nullopt for any other name.
std::optional<std::uint64_t> parse_segment_name(std::string_view name);

}  // namespace tocsin::spool
