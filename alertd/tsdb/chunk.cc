#include "alertd/tsdb/chunk.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "alertd/tsdb/chunk_bits.h"
#include "alertd/tsdb/read_chunk.h"
#include "common/base/check.h"

namespace tocsin::tsdb {
namespace {

// Differences of differences: a prefix of ones and a zero, then so many bits, in two's complement.
struct Bucket {
  unsigned prefix;
  unsigned prefix_bits;
  unsigned bits;
};
constexpr std::array<Bucket, 4> kBuckets{
    {{0b10, 2, 7}, {0b110, 3, 12}, {0b1110, 4, 20}, {0b1111, 4, 64}}};
constexpr unsigned kLeadingMax = 31;  // what five bits can say

bool fits(std::int64_t value, unsigned bits) {
  if (bits == 64) return true;
  const std::int64_t half = std::int64_t{1} << (bits - 1);
  return value >= -half && value < half;
}

// Timestamps may be anything: wrap instead of overflowing.
std::int64_t wrap_sub(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

}  // namespace

bool decode_chunk(const ChunkView& chunk, std::int64_t begin_ms, std::int64_t end_ms,
                  std::vector<model::Sample>& out) {
  if (chunk.count == 0) return true;
  return read_chunk(
      chunk, nullptr, [&](auto& reader) __attribute__((always_inline)) {
        if (reader.damaged()) return false;
        if (!reader.seek(begin_ms)) return !reader.damaged();
        return reader.read_to(end_ms, [&](std::int64_t timestamp_ms, std::uint64_t bits) {
          out.push_back({timestamp_ms, std::bit_cast<double>(bits)});
        });
      });
}

Chunk::Chunk(const ChunkView& chunk, std::int64_t last_ms)
    : first_ms_(chunk.first_ms),
      last_ms_(last_ms),
      count_(chunk.count),
      size_(static_cast<std::uint32_t>(chunk.bytes.size())),
      bytes_(std::make_unique<char[]>(chunk.bytes.size() + kChunkPadding)) {
  if (size_ > 0) std::memcpy(bytes_.get(), chunk.bytes.data(), size_);
}

void OpenChunk::reserve(std::size_t bits) {
  const std::size_t needed = (bits + 7) / 8 + kChunkPadding;
  if (needed <= capacity_) return;
  // Steps of a quarter keep half a million open chunks close to what they hold.
  const std::size_t grown = std::max<std::size_t>({needed, 64, capacity_ + capacity_ / 4U});
  const std::size_t rounded = (grown + 15) / 16 * 16;  // tcmalloc's sizes
  auto bytes = std::make_unique<char[]>(rounded);
  if (bits_ > 0) std::memcpy(bytes.get(), bytes_.get(), (bits_ + 7U) / 8U);
  bytes_ = std::move(bytes);
  capacity_ = static_cast<std::uint16_t>(rounded);
}

void OpenChunk::put(std::uint64_t value, unsigned count) {
  put_bits(bytes_.get(), bits_, value, count);
}

void OpenChunk::put_timestamp(std::int64_t difference) {
  if (difference == 0) return put(0, 1);
  for (const Bucket& bucket : kBuckets) {
    if (!fits(difference, bucket.bits)) continue;
    put(bucket.prefix, bucket.prefix_bits);
    const std::uint64_t mask =
        bucket.bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bucket.bits) - 1;
    return put(static_cast<std::uint64_t>(difference) & mask, bucket.bits);
  }
}

void OpenChunk::put_value(std::uint64_t changed) {
  if (changed == 0) return put(0, 1);
  const unsigned leading = std::min(static_cast<unsigned>(std::countl_zero(changed)), kLeadingMax);
  const auto trailing = static_cast<unsigned>(std::countr_zero(changed));
  const unsigned window_trailing = 64U - leading_ - significant_;
  if (leading_ != 0xff && leading >= leading_ && trailing >= window_trailing) {
    put(0b10, 2);
    return put(changed >> window_trailing, significant_);
  }
  leading_ = static_cast<std::uint8_t>(leading);
  significant_ = static_cast<std::uint8_t>(64 - leading - trailing);
  put(0b11, 2);
  put(leading, 5);
  put(significant_ & 63U, 6);
  put(changed >> trailing, significant_);
}

void OpenChunk::append(std::int64_t timestamp_ms, double value) {
  TC_DCHECK(count_ < kChunkSamplesMax, "chunk is full");
  reserve(bits_ + 146);  // the most that a sample takes; put_word's eight bytes end in the padding
  const auto bits = std::bit_cast<std::uint64_t>(value);
  if (count_ == 0) {
    first_ms_ = timestamp_ms;
    last_delta_ms_ = 0;
    put(bits, 64);
  } else {
    TC_DCHECK(timestamp_ms > last_ms_, "time must increase");
    const std::int64_t delta = wrap_sub(timestamp_ms, last_ms_);
    put_timestamp(wrap_sub(delta, last_delta_ms_));
    put_value(bits ^ std::bit_cast<std::uint64_t>(last_value_));
    last_delta_ms_ = delta;
  }
  last_ms_ = timestamp_ms;
  last_value_ = value;
  ++count_;
}

ChunkPtr OpenChunk::seal() {
  // last_ms_ and last_value_ stay.
  auto chunk = std::make_shared<const Chunk>(view(), last_ms_);
  bytes_.reset();
  bits_ = 0;
  capacity_ = 0;
  count_ = 0;
  leading_ = 0xff;
  significant_ = 0;
  return chunk;
}

void OpenChunk::save(std::string& out) const {
  put_varint(count_, out);
  put_signed(as_u64(last_ms_), out);
  put_raw(last_value_, out);
  if (count_ == 0) return;
  put_varint(as_u64(last_ms_) - as_u64(first_ms_), out);
  put_signed(as_u64(last_delta_ms_), out);
  out += static_cast<char>(leading_);
  out += static_cast<char>(significant_);
  put_varint(bits_, out);
  out += view().bytes;
}

bool OpenChunk::restore(ByteReader& reader) {
  const std::uint64_t count = reader.varint();
  const std::uint64_t last = reader.signed_varint();
  last_ms_ = as_i64(last);
  last_value_ = reader.number();
  if (count == 0 || count > kChunkSamplesMax) return count == 0 && reader.ok();
  first_ms_ = as_i64(last - reader.varint());
  last_delta_ms_ = as_i64(reader.signed_varint());
  const std::string_view window = reader.bytes(2);
  const std::uint64_t bits = reader.varint();
  const std::string_view bytes = reader.bytes((bits + 7) / 8);
  // As many bits as so many samples may take, so that what is appended finds room.
  if (!reader.ok() || bits < 64 || bits > 64 + 146 * (count - 1) || first_ms_ > last_ms_) {
    return false;
  }
  leading_ = static_cast<std::uint8_t>(window[0]);
  significant_ = static_cast<std::uint8_t>(window[1]);
  if (leading_ != 0xff && (leading_ + significant_ > 64 || significant_ == 0)) return false;
  reserve(static_cast<std::size_t>(bits));
  std::memcpy(bytes_.get(), bytes.data(), bytes.size());
  bits_ = static_cast<std::uint32_t>(bits);
  count_ = static_cast<std::uint8_t>(count);
  return true;
}

}  // namespace tocsin::tsdb
