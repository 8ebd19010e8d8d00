#include "common/spool/record.h"

#include <fmt/core.h>

#include <charconv>
#include <cstring>

#include "common/base/hash.h"

namespace tocsin::spool {
namespace {

constexpr std::string_view kMagic = "TOCSPOL1";
constexpr std::string_view kSuffix = ".seg";
constexpr std::size_t kNameDigits = 16;

template <class Integer>
void put(std::string& out, Integer value) {
  for (std::size_t byte = 0; byte < sizeof(Integer); ++byte) {
    out.push_back(static_cast<char>(value >> (8 * byte) & 0xff));
  }
}

template <class Integer>
Integer take(std::string_view bytes, std::size_t at) {
  std::uint64_t value = 0;
  for (std::size_t byte = 0; byte < sizeof(Integer); ++byte) {
    value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[at + byte])) << (8 * byte);
  }
  return static_cast<Integer>(value);
}

// The checksum covers the length (bytes 0..4) and everything after the checksum itself.
std::uint32_t checksum(std::string_view record) {
  return base::crc32(record.substr(8), base::crc32(record.substr(0, 4)));
}

bool all_zero(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == bytes.npos;
}

struct Parsed {
  RecordPlace place;
  bool sound = false;
  bool reaches_end =
      false;  // The record, as its length says, ends at or beyond the bytes there are.
};

Parsed parse_at(std::string_view bytes, std::size_t offset) {
  Parsed parsed;
  const std::string_view rest = bytes.substr(offset);
  if (rest.size() < kRecordHeaderBytes) {
    parsed.reaches_end = true;
    return parsed;
  }
  const auto length = take<std::uint32_t>(rest, 0);
  if (length > kRecordPayloadBytesMax) return parsed;
  const std::size_t size = kRecordHeaderBytes + length;
  parsed.reaches_end = size >= rest.size();
  if (size > rest.size()) return parsed;
  parsed.place = {take<std::uint64_t>(rest, 8), take<std::int64_t>(rest, 16),
                  take<std::uint32_t>(rest, 24), length, static_cast<std::uint32_t>(offset)};
  parsed.sound = take<std::uint32_t>(rest, 4) == checksum(rest.substr(0, size));
  return parsed;
}

}  // namespace

std::string encode_segment_header(std::uint64_t first_sequence) {
  std::string header(kMagic);
  put(header, first_sequence);
  return header;
}

std::string encode_record(const RecordPlace& place, std::string_view payload) {
  std::string record;
  record.reserve(kRecordHeaderBytes + payload.size());
  put(record, static_cast<std::uint32_t>(payload.size()));
  put(record, std::uint32_t{0});
  put(record, place.sequence);
  put(record, static_cast<std::uint64_t>(place.created_ms));
  put(record, place.samples);
  put(record, std::uint32_t{0});
  record.append(payload);
  std::string sum;
  put(sum, checksum(record));
  record.replace(4, 4, sum);
  return record;
}

SegmentScan scan_segment(std::string_view bytes, std::uint64_t first_sequence) {
  SegmentScan scan;
  if (bytes.size() < kSegmentHeaderBytes) {
    scan.end = SegmentEnd::Torn;
    return scan;
  }
  if (!bytes.starts_with(kMagic) || take<std::uint64_t>(bytes, 8) != first_sequence) {
    scan.end = all_zero(bytes) ? SegmentEnd::Torn : SegmentEnd::Damaged;
    return scan;
  }
  scan.valid_bytes = kSegmentHeaderBytes;
  std::uint64_t next_sequence = first_sequence;
  while (scan.valid_bytes < bytes.size()) {
    const Parsed parsed = parse_at(bytes, scan.valid_bytes);
    if (!parsed.sound || parsed.place.sequence < next_sequence) {
      // A record that would reach the end, or zeros from here on, is what a crash or a power cut
      // leaves.
      const bool torn =
          (!parsed.sound && parsed.reaches_end) || all_zero(bytes.substr(scan.valid_bytes));
      scan.end = torn ? SegmentEnd::Torn : SegmentEnd::Damaged;
      return scan;
    }
    next_sequence = parsed.place.sequence + 1;
    scan.valid_bytes += kRecordHeaderBytes + parsed.place.payload_bytes;
    scan.records.push_back(parsed.place);
  }
  return scan;
}

std::optional<std::string_view> read_record(std::string_view bytes, const RecordPlace& expected) {
  const Parsed parsed = parse_at(bytes, 0);
  if (!parsed.sound || parsed.place.sequence != expected.sequence) return std::nullopt;
  return bytes.substr(kRecordHeaderBytes, parsed.place.payload_bytes);
}

std::string segment_name(std::uint64_t first_sequence) {
  return fmt::format("{:016x}{}", first_sequence, kSuffix);
}

std::optional<std::uint64_t> parse_segment_name(std::string_view name) {
  if (name.size() != kNameDigits + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  std::uint64_t sequence = 0;
  const char* const end = name.data() + kNameDigits;
  const auto [at, failure] = std::from_chars(name.data(), end, sequence, 16);
  if (failure != std::errc{} || at != end) return std::nullopt;
  return sequence;
}

}  // namespace tocsin::spool
