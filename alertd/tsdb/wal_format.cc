#include "alertd/tsdb/wal_format.h"

#include <fmt/core.h>

#include <cstring>
#include <vector>

#include "alertd/tsdb/byte_codec.h"
#include "common/base/hash.h"

namespace tocsin::tsdb {
namespace {

constexpr std::uint64_t kLabelsMax = 1024;
constexpr std::uint64_t kChunksMax = 1 << 20;
/// Flags of a series in a Heads record.
constexpr unsigned kOnDisk = 1;
constexpr unsigned kWaiting = 2;

void put_u32(std::uint32_t value, std::string& out) {
  for (unsigned shift = 0; shift < 32; shift += 8) out += static_cast<char>(value >> shift);
}
std::uint32_t get_u32(std::string_view bytes) {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < 4; ++i) {
    value |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  return value;
}

std::uint32_t checksum_of(RecordType type, std::uint32_t length, std::string_view payload) {
  std::string head(1, static_cast<char>(type));
  put_u32(length, head);
  return base::crc32(payload, base::crc32(head));
}

void put_labels(const model::Labels& labels, std::string& out) {
  put_varint(labels.size(), out);
  for (const model::LabelView label : labels) {
    put_text(label.name, out);
    put_text(label.value, out);
  }
}

std::optional<model::Labels> read_labels(ByteReader& reader, std::vector<model::LabelView>& views) {
  const std::uint64_t count = reader.varint();
  if (count == 0 || count > kLabelsMax) return std::nullopt;
  views.clear();
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    const std::string_view name = reader.text();
    const std::string_view value = reader.text();
    const bool sorted = views.empty() || views.back().name < name;
    if (!sorted || name.empty() || value.empty()) return std::nullopt;
    views.push_back({name, value});
  }
  if (!reader.ok()) return std::nullopt;
  return model::Labels::from_sorted(views);
}

void put_chunks(std::initializer_list<std::span<const ChunkPtr>> lists, std::string& out) {
  std::size_t count = 0;
  for (const auto& chunks : lists) count += chunks.size();
  put_varint(count, out);
  for (const auto& chunks : lists) {
    for (const ChunkPtr& chunk : chunks) {
      const ChunkView view = chunk->view();
      put_signed(as_u64(view.first_ms), out);
      put_varint(as_u64(chunk->last_ms()) - as_u64(view.first_ms), out);
      put_varint(view.count, out);
      put_text(view.bytes, out);
    }
  }
}

struct ReadChunk {
  ChunkView view;
  std::int64_t last_ms = 0;
};

// The padding that decode_chunk needs is there for a copy only: see Chunk's constructor.
ReadChunk read_chunk(ByteReader& reader) {
  ReadChunk chunk;
  const std::uint64_t first = reader.signed_varint();
  chunk.view.first_ms = as_i64(first);
  chunk.last_ms = as_i64(first + reader.varint());
  const std::uint64_t count = reader.varint();
  chunk.view.bytes = reader.text();
  if (count == 0 || count > kChunkSamplesMax || chunk.view.bytes.size() > kChunkBytesMax ||
      chunk.last_ms < chunk.view.first_ms) {
    reader.fail();
    return chunk;
  }
  chunk.view.count = static_cast<std::uint32_t>(count);
  return chunk;
}

void parse_series(ByteReader& reader, RecordVisitor& visitor) {
  std::vector<model::LabelView> views;
  while (!reader.at_end()) {
    const SeriesRef ref{reader.varint()};
    auto labels = read_labels(reader, views);
    if (!labels) {
      reader.fail();
      return;
    }
    visitor.on_series(ref, std::move(*labels));
  }
}

void parse_samples(ByteReader& reader, RecordVisitor& visitor) {
  std::uint64_t ref = 0;
  std::uint64_t timestamp = 0;
  while (!reader.at_end()) {
    ref += reader.signed_varint();
    const std::uint64_t count = reader.varint();
    for (std::uint64_t i = 0; i < count; ++i) {
      timestamp += reader.signed_varint();
      const double value = reader.number();
      if (!reader.ok()) return;
      visitor.on_sample(SeriesRef{ref}, {as_i64(timestamp), value});
    }
  }
}

bool read_chunks(ByteReader& reader, std::vector<ChunkPtr>& chunks) {
  const std::uint64_t count = reader.varint();
  if (count > kChunksMax) return false;
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    const ReadChunk chunk = read_chunk(reader);
    if (reader.ok()) chunks.push_back(std::make_shared<const Chunk>(chunk.view, chunk.last_ms));
  }
  return reader.ok();
}

bool read_late(ByteReader& reader, LateSamples& late) {
  if (!read_chunks(reader, late.sealed)) return false;
  const std::uint64_t count = reader.varint();
  if (count > kChunkSamplesMax) return false;
  std::uint64_t timestamp = 0;
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    timestamp += reader.signed_varint();
    const double value = reader.number();
    if (!late.buffer.empty() && late.buffer.back().timestamp_ms >= as_i64(timestamp)) return false;
    late.buffer.push_back({as_i64(timestamp), value});
  }
  return reader.ok();
}

bool parse_one_state(ByteReader& reader, RecordVisitor& visitor,
                     std::vector<model::LabelView>& views, std::vector<model::Sample>& open) {
  const SeriesRef ref{reader.varint()};
  auto labels = read_labels(reader, views);
  if (!labels) return false;
  Series series(ref, std::move(*labels));
  std::vector<ChunkPtr> sealed;
  if (!read_chunks(reader, sealed)) return false;
  for (ChunkPtr& chunk : sealed) series.restore_sealed(std::move(chunk));
  LateSamples late;
  if (!read_late(reader, late)) return false;
  if (!late.sealed.empty() || !late.buffer.empty()) series.restore_late(std::move(late));
  open.clear();
  if (reader.varint() == 1) {
    const ReadChunk chunk = read_chunk(reader);
    if (!reader.ok()) return false;
    // Padded on the stack: the payload may end right after the chunk.
    char padded[kChunkBytesMax + kChunkPadding] = {};
    std::memcpy(padded, chunk.view.bytes.data(), chunk.view.bytes.size());
    const ChunkView view{chunk.view.first_ms, chunk.view.count, {padded, chunk.view.bytes.size()}};
    if (!decode_chunk(view, chunk.view.first_ms, chunk.last_ms, open)) return false;
  }
  if (!reader.ok()) return false;
  visitor.on_state(std::move(series));
  for (const model::Sample& sample : open) visitor.on_sample(ref, sample);
  return true;
}

void parse_state(ByteReader& reader, RecordVisitor& visitor) {
  std::vector<model::LabelView> views;
  std::vector<model::Sample> open;
  while (!reader.at_end()) {
    if (!parse_one_state(reader, visitor, views, open)) {
      reader.fail();
      return;
    }
  }
}

bool parse_one_head(ByteReader& reader, LabelsReader& labels_reader, std::uint64_t& ref,
                    RecordVisitor& visitor) {
  ref += reader.signed_varint();
  auto labels = labels_reader.read(reader);
  if (!labels) return false;
  Series series(SeriesRef{ref}, std::move(*labels));
  const std::string_view flags = reader.bytes(1);
  if (flags.empty() || !series.restore_open(reader)) return false;
  series.on_disk = (static_cast<unsigned char>(flags[0]) & kOnDisk) != 0;
  if ((static_cast<unsigned char>(flags[0]) & kWaiting) != 0) {
    std::vector<ChunkPtr> sealed;
    LateSamples late;
    if (!read_chunks(reader, sealed) || !read_late(reader, late)) return false;
    for (ChunkPtr& chunk : sealed) series.restore_sealed(std::move(chunk));
    if (!late.empty()) series.restore_late(std::move(late));
  }
  visitor.on_state(std::move(series));
  return true;
}

void parse_heads(ByteReader& reader, RecordVisitor& visitor) {
  LabelsReader labels;
  std::uint64_t ref = 0;
  bool good = labels.read_pairs(reader);
  while (good && !reader.at_end()) good = parse_one_head(reader, labels, ref, visitor);
  if (!good) reader.fail();
}

}  // namespace

void put_frame(RecordType type, std::string_view payload, std::string& out) {
  const auto length = static_cast<std::uint32_t>(payload.size());
  out += kFrameMagic;
  out += static_cast<char>(type);
  put_u32(length, out);
  put_u32(checksum_of(type, length, payload), out);
  out += payload;
}

std::optional<FrameHeader> read_frame_header(std::string_view bytes) {
  if (bytes.size() < kFrameHeaderBytes || !bytes.starts_with(kFrameMagic)) return std::nullopt;
  FrameHeader header;
  const auto type = static_cast<unsigned char>(bytes[4]);
  if (type < 1 || type > 6) return std::nullopt;
  header.type = static_cast<RecordType>(type);
  header.length = get_u32(bytes.substr(5));
  header.checksum = get_u32(bytes.substr(9));
  if (header.length > kFrameBytesMax) return std::nullopt;
  return header;
}

bool frame_matches(const FrameHeader& header, std::string_view payload) {
  return payload.size() == header.length &&
         checksum_of(header.type, header.length, payload) == header.checksum;
}

void put_series(SeriesRef ref, const model::Labels& labels, std::string& payload) {
  put_varint(ref.value, payload);
  put_labels(labels, payload);
}

void SamplesWriter::add(SeriesRef ref, std::span<const model::Sample> samples,
                        std::string& payload) {
  put_signed(ref.value - last_ref_, payload);
  last_ref_ = ref.value;
  put_varint(samples.size(), payload);
  for (const model::Sample& sample : samples) {
    put_signed(as_u64(sample.timestamp_ms) - as_u64(last_ms_), payload);
    last_ms_ = sample.timestamp_ms;
    put_raw(sample.value, payload);
  }
}

void HeadsWriter::add(const Series& series) {
  std::string& out = labels_.body();
  put_signed(series.ref().value - last_ref_, out);
  last_ref_ = series.ref().value;
  labels_.put(series.labels());
  const LateSamples* late = series.late();
  const bool waiting = late != nullptr || !series.sealed().empty();
  out += static_cast<char>((series.on_disk ? kOnDisk : 0U) | (waiting ? kWaiting : 0U));
  series.open().save(out);
  if (!waiting) return;
  put_chunks({series.sealed()}, out);
  const LateSamples none;
  if (late == nullptr) late = &none;
  put_chunks({late->settled, late->sealed}, out);
  put_varint(late->buffer.size(), out);
  std::int64_t last_ms = 0;
  for (const model::Sample& sample : late->buffer) {
    put_signed(as_u64(sample.timestamp_ms) - as_u64(last_ms), out);
    last_ms = sample.timestamp_ms;
    put_raw(sample.value, out);
  }
}

void HeadsWriter::finish(std::string& payload) {
  labels_.finish(payload);
  last_ref_ = 0;
}

void put_number(std::uint64_t number, std::string& payload) {
  put_varint(number, payload);
}

base::Result<void> parse_payload(RecordType type, std::string_view payload,
                                 RecordVisitor& visitor) {
  ByteReader reader(payload);
  switch (type) {
    case RecordType::Series:
      parse_series(reader, visitor);
      break;
    case RecordType::Samples:
      parse_samples(reader, visitor);
      break;
    case RecordType::State:
      parse_state(reader, visitor);
      break;
    case RecordType::Heads:
      parse_heads(reader, visitor);
      break;
    case RecordType::Begin:
      visitor.on_begin(reader.varint());
      break;
    case RecordType::End:
      visitor.on_end(reader.varint());
      break;
  }
  if (reader.ok()) return base::ok();
  return base::error(base::ErrorCode::Corruption,
                     fmt::format("record of type {} with {} bytes is malformed inside",
                                 static_cast<int>(type), payload.size()));
}

}  // namespace tocsin::tsdb
