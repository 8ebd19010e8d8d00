#include "alertd/tsdb/chunk.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "common/base/check.h"

namespace tocsin::tsdb {
namespace {

static_assert(std::endian::native == std::endian::little, "words are swapped to big endian");

std::uint64_t load_word(const char* at) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return __builtin_bswap64(word);
}

void store_word(char* at, std::uint64_t word) {
  word = __builtin_bswap64(word);
  std::memcpy(at, &word, sizeof word);
}

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

// Timestamps may be anything a damaged file says: wrap instead of overflowing.
std::int64_t wrap_add(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
std::int64_t wrap_sub(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

class BitReader {
 public:
  explicit BitReader(std::string_view bytes) : data_(bytes.data()), end_(bytes.size() * 8) {}

  // Beyond the end it gives zeros and sets damaged().
  std::uint64_t read(unsigned count) {
    if (count > 56) {
      const std::uint64_t high = read(count - 32);
      return (high << 32U) | read(32);
    }
    if (count == 0) return 0;
    if (at_ + count > end_) {
      damaged_ = true;
      return 0;
    }
    const std::uint64_t word = load_word(data_ + (at_ >> 3U)) << (at_ & 7U);
    at_ += count;
    return word >> (64 - count);
  }
  // Counts ones up to the first zero, at most `most`.
  unsigned ones(unsigned most) {
    for (unsigned count = 0; count < most; ++count) {
      if (read(1) == 0) return count;
    }
    return most;
  }
  bool damaged() const { return damaged_; }

 private:
  const char* data_;
  std::size_t end_;
  std::size_t at_ = 0;
  bool damaged_ = false;
};

std::int64_t read_difference(BitReader& reader) {
  const unsigned ones = reader.ones(4);
  if (ones == 0) return 0;
  const unsigned bits = kBuckets[ones - 1].bits;
  const std::uint64_t raw = reader.read(bits);
  if (bits == 64) return static_cast<std::int64_t>(raw);
  // Sign extension: shift up so that the sign bit is the top one, and back arithmetically.
  return static_cast<std::int64_t>(raw << (64 - bits)) >> (64 - bits);
}

}  // namespace

bool decode_chunk(const ChunkView& chunk, std::int64_t begin_ms, std::int64_t end_ms,
                  std::vector<model::Sample>& out) {
  if (chunk.count == 0) return true;
  BitReader reader(chunk.bytes);
  std::int64_t timestamp = chunk.first_ms;
  std::int64_t delta = 0;
  std::uint64_t value = reader.read(64);
  unsigned leading = 0;
  unsigned significant = 64;
  for (std::uint32_t i = 0;;) {
    if (reader.damaged()) return false;
    if (timestamp > end_ms) return true;
    if (timestamp >= begin_ms) out.push_back({timestamp, std::bit_cast<double>(value)});
    if (++i == chunk.count) return true;
    delta = wrap_add(delta, read_difference(reader));
    const std::int64_t next = wrap_add(timestamp, delta);
    if (next <= timestamp) return false;
    timestamp = next;
    if (reader.read(1) == 0) continue;
    if (reader.read(1) == 1) {
      leading = static_cast<unsigned>(reader.read(5));
      significant = static_cast<unsigned>(reader.read(6));
      if (significant == 0) significant = 64;
      if (leading + significant > 64) return false;
    }
    value ^= reader.read(significant) << (64 - leading - significant);
  }
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
  // Steps of a third keep half a million open chunks close to what they hold.
  const std::size_t grown = std::max<std::size_t>({needed, 40, capacity_ + capacity_ / 3U});
  const std::size_t rounded = (grown + 15) / 16 * 16 + 8;  // malloc's sizes are 16 n + 8
  auto bytes = std::make_unique<char[]>(rounded);
  if (bits_ > 0) std::memcpy(bytes.get(), bytes_.get(), (bits_ + 7U) / 8U);
  bytes_ = std::move(bytes);
  capacity_ = static_cast<std::uint16_t>(rounded);
}

void OpenChunk::put_word(std::uint64_t value, unsigned count) {
  char* at = bytes_.get() + (bits_ >> 3U);
  const std::uint64_t before = static_cast<std::uint64_t>(static_cast<unsigned char>(*at)) << 56U;
  store_word(at, before | (value << (64 - count - (bits_ & 7U))));
  bits_ += count;
}

void OpenChunk::put(std::uint64_t value, unsigned count) {
  if (count > 56) {
    put_word(value >> 32U, count - 32);
    put_word(value & 0xffffffffU, 32);
  } else {
    put_word(value, count);
  }
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
  TC_DCHECK(!full(), "chunk is full");
  reserve(bits_ + 146 + 64);
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
  auto chunk = std::make_shared<const Chunk>(view(), last_ms_);
  bytes_.reset();
  bits_ = 0;
  capacity_ = 0;
  count_ = 0;
  leading_ = 0xff;
  significant_ = 0;
  return chunk;
}

}  // namespace tocsin::tsdb
