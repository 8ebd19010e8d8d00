#include "alertd/tsdb/segment_format.h"

#include "common/base/hash.h"

namespace tocsin::tsdb {
namespace {

/// Added to the number of a chunk's samples for each code after the first.
constexpr unsigned kCodeStep = 128;
constexpr std::string_view kFooterEnd = "end\n";

std::uint32_t check_of(std::string_view payload, std::uint64_t number, std::uint64_t offset) {
  const std::uint64_t hash = base::xxh64(payload);
  const std::uint64_t place = (number * 0x9e3779b97f4a7c15ULL) ^ (offset * 0xc2b2ae3d27d4eb4fULL);
  return static_cast<std::uint32_t>((hash ^ place) >> 32U);
}

}  // namespace

std::string segment_header(std::uint64_t number, std::string_view magic) {
  std::string header(magic);
  header.append(4, '\0');
  put_raw(number, header);
  return header;
}

void put_record(std::string_view payload, std::uint64_t number, std::uint64_t offset,
                std::string& out) {
  put_raw(static_cast<std::uint32_t>(payload.size()), out);
  put_raw(check_of(payload, number, offset), out);
  out += payload;
}

std::optional<std::string_view> record_at(std::string_view file, std::uint64_t number,
                                          std::uint64_t offset) {
  // Of a file that was cut right behind a record that one is lost: the decoder reads whole words.
  constexpr std::size_t kAround = kRecordHeaderBytes + kChunkPadding;
  if (offset > file.size() || file.size() - offset < kAround) return std::nullopt;
  const std::string_view rest = file.substr(static_cast<std::size_t>(offset));
  const auto length = get_raw<std::uint32_t>(rest);
  if (length == 0 || length > kRecordBytesMax || length > rest.size() - kAround) {
    return std::nullopt;
  }
  const std::string_view payload = rest.substr(kRecordHeaderBytes, length);
  if (check_of(payload, number, offset) != get_raw<std::uint32_t>(rest.substr(4))) {
    return std::nullopt;
  }
  return payload;
}

void begin_chunks(SeriesRef ref, std::string& payload) {
  put_varint(ref.value, payload);
}

void put_stored_chunk(const ChunkView& chunk, std::int64_t last_ms, std::string& payload) {
  put_signed(as_u64(chunk.first_ms), payload);
  put_varint(as_u64(last_ms) - as_u64(chunk.first_ms), payload);
  put_varint(chunk.count + kCodeStep * static_cast<unsigned>(chunk.code), payload);
  put_text(chunk.bytes, payload);
}

bool RecordReader::next(StoredChunk& chunk) {
  if (reader_.at_end()) return false;
  const std::uint64_t first = reader_.signed_varint();
  chunk.view.first_ms = as_i64(first);
  chunk.last_ms = as_i64(first + reader_.varint());
  const std::uint64_t kind = reader_.varint();
  const std::uint64_t count = kind % kCodeStep;
  chunk.view.bytes = reader_.text();
  chunk.view.code = kind < kCodeStep ? ChunkCode::Gorilla : ChunkCode::Packed;
  if (kind >= 2 * kCodeStep || count == 0 || count > kChunkSamplesMax ||
      chunk.view.bytes.size() > kChunkBytesMax || chunk.last_ms < chunk.view.first_ms) {
    reader_.fail();
  }
  chunk.view.count = static_cast<std::uint32_t>(count);
  return reader_.ok();
}

void LabelsRecord::put(SeriesRef ref, const model::Labels& labels) {
  put_signed(ref.value - last_ref_, labels_.body());
  last_ref_ = ref.value;
  labels_.put(labels);
}

void LabelsRecord::finish(std::string& payload) {
  begin_chunks(SeriesRef{0}, payload);
  labels_.finish(payload);
  last_ref_ = 0;
}

void read_labels_record(std::string_view payload, const SeriesVisit& visit) {
  RecordReader record(payload);
  LabelsReader labels;
  ByteReader& reader = record.body();
  if (!record.is_labels() || !labels.read_pairs(reader)) return;
  std::uint64_t ref = 0;
  while (!reader.at_end()) {
    ref += reader.signed_varint();
    auto one = labels.read(reader);
    if (!one || ref == 0) return;
    visit(SeriesRef{ref}, std::move(*one));
  }
}

std::string segment_footer(const SegmentFooter& footer, std::string_view magic) {
  std::string bytes(magic);
  bytes += kFooterEnd;
  put_raw(footer, bytes);
  put_raw(base::xxh64(bytes), bytes);
  return bytes;
}

std::optional<SegmentFooter> read_segment_footer(std::string_view file, std::uint64_t number) {
  if (file.size() < kSegmentHeaderBytes + kSegmentFooterBytes || file.size() > kSegmentBytesMax) {
    return std::nullopt;
  }
  const std::string_view magic =
      file.starts_with(kSegmentMagicBefore) ? kSegmentMagicBefore : kSegmentMagic;
  if (!file.starts_with(segment_header(number, magic))) return std::nullopt;
  const std::uint64_t end = file.size() - kSegmentFooterBytes;
  const std::string_view bytes = file.substr(static_cast<std::size_t>(end));
  const std::string_view checked = bytes.substr(0, kSegmentFooterBytes - 8);
  if (!bytes.starts_with(magic) || bytes.substr(magic.size(), kFooterEnd.size()) != kFooterEnd ||
      base::xxh64(checked) != get_raw<std::uint64_t>(bytes.substr(checked.size()))) {
    return std::nullopt;
  }
  const auto footer = get_raw<SegmentFooter>(checked.substr(magic.size() + kFooterEnd.size()));
  const bool fits =
      footer.number == number && footer.index_offset >= kSegmentHeaderBytes &&
      footer.index_offset <= end && footer.entries <= end / sizeof(IndexEntry) &&
      footer.replaced <= end / 8 &&
      end - footer.index_offset == footer.entries * sizeof(IndexEntry) + footer.replaced * 8;
  return fits ? std::optional(footer) : std::nullopt;
}

}  // namespace tocsin::tsdb
