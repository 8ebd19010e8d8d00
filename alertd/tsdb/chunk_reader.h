// Reads a chunk of the Gorilla code sample by sample, and can go on later from where it was.
//
// This is the inner loop of every query, so it is inline and works on whole words: one load covers
// the timestamp bit, the control bits and a value of up to 43 changed bits. Runs of samples that
// repeat value and interval (most series most of the time) are counted by their zero bits, 28 at a
// time. Source of the layout: WAL_FORMAT.md.
#pragma once

#include <algorithm>
#include <bit>
#include <cstring>

#include "alertd/tsdb/chunk.h"
#include "alertd/tsdb/chunk_bits.h"

namespace tocsin::tsdb {

/// The decoder's state at one sample, packed: rules keep one for each series of a window, so that
/// the next window starts decoding there and not at the chunk's beginning.
struct ChunkPlace {
  std::int64_t timestamp_ms = 0;
  std::uint64_t value_bits = 0;
  std::int32_t delta_ms = 0;
  std::uint32_t chunk = 0;  ///< Low bits of the chunk's first timestamp: which chunk it is.
  std::uint16_t bit = 0;    ///< Of the next sample; 0: no place.
  std::uint8_t index = 0;   ///< Of the sample.
  std::uint8_t leading = 0;
  std::uint8_t significant = 64;
  bool packed = false;  ///< The chunk is in the packed code; `value_bits` is then its number.

  static std::uint32_t name_of(std::int64_t first_ms) {
    return static_cast<std::uint32_t>(static_cast<std::uint64_t>(first_ms));
  }
  bool in(const ChunkView& view) const {
    return bit != 0 && chunk == name_of(view.first_ms) && index < view.count &&
           packed == (view.code == ChunkCode::Packed);
  }
};
static_assert(sizeof(ChunkPlace) == 32);

/// Usage: `ChunkReader reader(view); do { use(reader.sample()); } while (reader.next());`
/// The chunk must have a sample; kChunkPadding readable bytes follow its bytes.
class ChunkReader : private BitReader {
 public:
  explicit ChunkReader(const ChunkView& view)
      : BitReader(view.bytes), count_(view.count), timestamp_(view.first_ms) {
    value_ = read(64);
  }
  ChunkReader(const ChunkView& view, const ChunkPlace& place)
      : BitReader(view.bytes, place.bit),
        count_(view.count),
        index_(place.index),
        timestamp_(place.timestamp_ms),
        delta_(place.delta_ms),
        value_(place.value_bits),
        leading_(place.leading),
        significant_(place.significant) {}

  std::int64_t timestamp_ms() const { return timestamp_; }
  std::uint64_t value_bits() const { return value_; }
  /// The bytes end early, or time does not increase.
  using BitReader::damaged;

  /// Goes to the next sample; false at the end and at damage.
  bool next() {
    if (index_ + 1 >= count_ || damaged_) return false;
    ++index_;
    std::uint64_t word = load(bit_);
    if ((word >> 63U) == 0) {
      word <<= 1U;
      bit_ += 1;
    } else {
      delta_ = wrap_add(delta_, read_difference());
      if (damaged_) return false;
      word = load(bit_);
    }
    const std::int64_t time = wrap_add(timestamp_, delta_);
    if (time <= timestamp_) return fail();
    timestamp_ = time;
    if ((word >> 63U) == 0) {
      bit_ += 1;
      return bit_ <= end_ || fail();
    }
    // At least 56 bits of `word` are good here: 57 loaded, one perhaps shifted out.
    unsigned used = 2;
    if (((word >> 62U) & 1U) != 0) {
      leading_ = static_cast<unsigned>((word >> 57U) & 31U);
      significant_ = static_cast<unsigned>((word >> 51U) & 63U);
      if (significant_ == 0) significant_ = 64;
      if (leading_ + significant_ > 64) return fail();
      used = 13;
    }
    std::uint64_t changed = 0;
    if (used + significant_ <= 56) {
      changed = (word << used) >> (64 - significant_);
      bit_ += used + significant_;
      if (bit_ > end_) return fail();
    } else {
      bit_ += used;
      changed = read(significant_);
      if (damaged_) return fail();
    }
    value_ ^= changed << (64 - leading_ - significant_);
    return true;
  }

  /// Goes on while timestamps are less than `begin_ms`; false if the chunk ends before.
  bool seek(std::int64_t begin_ms) {
    while (timestamp_ < begin_ms) {
      const unsigned run = repeats();
      if (run > 0 && span(run) < distance(timestamp_, begin_ms)) {
        skip(run);
      } else if (!next()) {
        return false;
      }
    }
    return true;
  }

  /// Calls `emit(timestamp_ms, value_bits)` for this sample and all after it up to `end_ms`.
  /// Returns false at damage.
  template <class Emit>
  bool read_to(std::int64_t end_ms, Emit emit) {
    if (timestamp_ > end_ms) return true;
    emit(timestamp_, value_);
    for (;;) {
      const unsigned run = repeats();
      if (run > 0 && span(run) <= distance(timestamp_, end_ms)) {
        for (unsigned i = 1; i <= run; ++i) emit(timestamp_ + delta_ * i, value_);
        skip(run);
      }
      if (!next()) return !damaged_;
      if (timestamp_ > end_ms) return true;
      emit(timestamp_, value_);
    }
  }

  /// Where this reader is, for a later one; without a place if the interval is too long for it.
  ChunkPlace place(const ChunkView& view) const {
    ChunkPlace place;
    if (delta_ != static_cast<std::int32_t>(delta_) || bit_ > 0xffff || index_ > 0xff) return place;
    place = {timestamp_,
             value_,
             static_cast<std::int32_t>(delta_),
             ChunkPlace::name_of(view.first_ms),
             static_cast<std::uint16_t>(bit_),
             static_cast<std::uint8_t>(index_),
             static_cast<std::uint8_t>(leading_),
             static_cast<std::uint8_t>(significant_)};
    return place;
  }

 private:
  // How many of the next samples, at most 28, have this one's value and interval. None if times are
  // so large that multiples of the interval might overflow.
  unsigned repeats() const {
    constexpr std::int64_t kSmall = std::int64_t{1} << 48;
    if (delta_ <= 0 || delta_ > kSmall || timestamp_ > kSmall || timestamp_ < -kSmall) return 0;
    const auto zeros = static_cast<std::size_t>(std::countl_zero(load(bit_) | 0xff));
    return static_cast<unsigned>(
        std::min({zeros / 2, std::size_t{count_} - 1 - index_, (end_ - bit_) / 2}));
  }
  std::uint64_t span(unsigned count) const { return static_cast<std::uint64_t>(delta_) * count; }
  void skip(unsigned count) {
    index_ += count;
    bit_ += 2 * std::size_t{count};
    timestamp_ += delta_ * static_cast<std::int64_t>(count);
  }
  // A prefix of ones (ended by a zero, unless there are four), then a number in two's complement.
  std::int64_t read_difference() {
    constexpr unsigned kBits[] = {7, 12, 20, 64};
    unsigned ones = 0;
    while (ones < 4 && read(1) == 1) ++ones;
    if (ones == 0) return 0;
    const unsigned bits = kBits[ones - 1];
    const std::uint64_t raw = read(bits);
    return static_cast<std::int64_t>(raw << (64 - bits)) >> (64 - bits);
  }

  std::uint32_t count_;
  std::uint32_t index_ = 0;
  std::int64_t timestamp_;
  std::int64_t delta_ = 0;
  std::uint64_t value_ = 0;
  unsigned leading_ = 0;
  unsigned significant_ = 64;
};

}  // namespace tocsin::tsdb
