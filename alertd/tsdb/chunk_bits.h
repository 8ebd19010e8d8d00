// Bits of a chunk, the most significant first, written and read by whole words.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace tocsin::tsdb {

static_assert(std::endian::native == std::endian::little, "words are swapped to big endian");

/// Writes the low `count` bits (at most 64) of `value`, which has no others, at bit `at` of `bytes`
/// and moves `at` behind them. Eight bytes from the one with bit `at` on are writable, twelve if
/// `count` is more than 56; bits before `at` stay, those behind are undefined.
inline void put_bits(char* bytes, std::uint32_t& at, std::uint64_t value, unsigned count) {
  if (count > 56) {
    put_bits(bytes, at, value >> 32U, count - 32);
    value &= 0xffffffffU;
    count = 32;
  }
  if (count == 0) return;
  char* first = bytes + (at >> 3U);
  const auto before = static_cast<std::uint64_t>(static_cast<unsigned char>(*first)) << 56U;
  const std::uint64_t word = __builtin_bswap64(before | (value << (64 - count - (at & 7U))));
  std::memcpy(first, &word, sizeof word);
  at += count;
}

/// Where a reader of a chunk is. kChunkPadding readable bytes follow `bytes`.
class BitReader {
 public:
  explicit BitReader(std::string_view bytes, std::size_t bit = 0)
      : data_(bytes.data()), end_(bytes.size() * 8), bit_(bit) {}

  /// Something was not as it must be; nothing more is to be read.
  bool damaged() const { return damaged_; }

 protected:
  // At least 57 bits from bit `at` on, left-aligned. `at` is never more than the end.
  std::uint64_t load(std::size_t at) const {
    std::uint64_t word = 0;
    std::memcpy(&word, data_ + (at >> 3U), sizeof word);
    return __builtin_bswap64(word) << (at & 7U);
  }
  std::uint64_t read(unsigned count) {
    if (count > 56) {
      const std::uint64_t high = read(count - 32);
      return (high << 32U) | read(32);
    }
    if (count == 0) return 0;
    if (bit_ + count > end_) {
      damaged_ = true;
      return 0;
    }
    const std::uint64_t word = load(bit_) >> (64 - count);
    bit_ += count;
    return word;
  }
  bool fail() {
    damaged_ = true;
    return false;
  }
  // Times may be anything: wrap instead of overflowing.
  static std::int64_t wrap_add(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  }
  static std::uint64_t distance(std::int64_t from, std::int64_t to) {
    return static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from);
  }

  const char* data_;
  std::size_t end_;  // in bits
  std::size_t bit_;
  bool damaged_ = false;
};

}  // namespace tocsin::tsdb
