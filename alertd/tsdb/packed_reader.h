// Reads a chunk of the packed code (packed_chunk.h) sample by sample, and can go on later from
// where it was.
//
// As chunk_reader.h, this is an inner loop of queries. A sample costs at most two loads: one for
// the time, if times are not regular, one for the number, if it is not always the same step.
// Layout: SEGMENT_FORMAT.md.
#pragma once

#include <algorithm>

#include "alertd/tsdb/chunk_reader.h"
#include "alertd/tsdb/packed_chunk.h"

namespace tocsin::tsdb {

/// Used as ChunkReader.
class PackedReader : private BitReader {
 public:
  explicit PackedReader(const ChunkView& view)
      : BitReader(view.bytes), count_(view.count), timestamp_(view.first_ms) {
    PackedHeader header;
    if (!header.read(view.bytes)) {
      fail();
      return;
    }
    bit_ = header.bytes * 8;
    times_ = Column(header.times);
    numbers_ = Column(header.numbers);
    keep_ = header.differences ? ~std::uint64_t{0} : 0;
    scale_ = kPowersOfTen[header.exponent];
    number_ = header.first;
  }
  PackedReader(const ChunkView& view, const ChunkPlace& place) : PackedReader(view) {
    if (damaged()) return;
    bit_ = place.bit;
    index_ = place.index;
    timestamp_ = place.timestamp_ms;
    number_ = place.value_bits;
  }

  std::int64_t timestamp_ms() const { return timestamp_; }
  std::uint64_t value_bits() const { return bits_of(number_); }
  /// The bytes end early, or time does not increase.
  using BitReader::damaged;

  /// Goes to the next sample; false at the end and at damage.
  bool next() {
    if (index_ + 1 >= count_ || damaged_) return false;
    ++index_;
    const std::int64_t time = wrap_add(timestamp_, as_i64(take(times_)));
    number_ = (number_ & keep_) + take(numbers_);
    if (time <= timestamp_ || damaged_) return fail();
    timestamp_ = time;
    return true;
  }

  /// Goes on while timestamps are less than `begin_ms`; false if the chunk ends before.
  bool seek(std::int64_t begin_ms) {
    if (timestamp_ < begin_ms) {
      const std::uint64_t run = steady();
      if (run > 0) skip(std::min(run, distance(timestamp_, begin_ms) / times_.base));
    }
    while (timestamp_ < begin_ms) {
      if (!next()) return false;
    }
    return true;
  }

  /// Calls `emit(timestamp_ms, value_bits)` for this sample and all after it up to `end_ms`.
  /// Returns false at damage.
  template <class Emit>
  bool read_to(std::int64_t end_ms, Emit emit) {
    if (timestamp_ > end_ms) return true;
    emit(timestamp_, value_bits());
    if (steady() > 0 && (numbers_.base == 0 || keep_ == 0)) {
      // One value from the next sample on.
      if (!next()) return !damaged_;
      if (timestamp_ > end_ms) return true;
      const std::uint64_t bits = value_bits();
      const std::uint64_t run = std::min(steady(), distance(timestamp_, end_ms) / times_.base);
      for (std::uint64_t i = 0; i <= run; ++i) {
        emit(timestamp_ + as_i64(i * times_.base), bits);
      }
      skip(run);
      return true;
    }
    while (next()) {
      if (timestamp_ > end_ms) return true;
      emit(timestamp_, value_bits());
    }
    return !damaged_;
  }

  /// Where this reader is, for a later one.
  ChunkPlace place(const ChunkView& view) const {
    ChunkPlace place;
    if (bit_ > 0xffff || index_ > 0xff || damaged_) return place;
    place.timestamp_ms = timestamp_;
    place.value_bits = number_;
    place.chunk = ChunkPlace::name_of(view.first_ms);
    place.bit = static_cast<std::uint16_t>(bit_);
    place.index = static_cast<std::uint8_t>(index_);
    place.packed = true;
    return place;
  }

 private:
  struct Column {
    Column() = default;
    explicit Column(const PackedColumn& column)
        : base(column.base),
          escape(column.width == 0 ? 0 : ~std::uint64_t{0} >> (64U - column.width)),
          width(column.width) {}
    std::uint64_t base = 0;
    std::uint64_t escape = 0;
    unsigned width = 0;
  };

  std::uint64_t take(const Column& column) {
    if (column.width == 0) return column.base;
    if (bit_ + column.width > end_) {
      damaged_ = true;
      return 0;
    }
    const std::uint64_t code = load(bit_) >> (64U - column.width);
    bit_ += column.width;
    return code != column.escape ? column.base + code : escaped();
  }
  [[gnu::noinline]] std::uint64_t escaped() {
    const auto length = static_cast<unsigned>(read(6)) + 1;
    if (damaged_) return 0;
    const std::uint64_t zigzag = read(length);
    return (zigzag >> 1U) ^ (0 - (zigzag & 1U));
  }
  std::uint64_t bits_of(std::uint64_t number) const {
    return std::bit_cast<std::uint64_t>(static_cast<double>(as_i64(number)) / scale_);
  }
  // How many samples follow without a bit of their own; none if times are so large that they might
  // overflow.
  std::uint64_t steady() const {
    constexpr std::int64_t kSmall = std::int64_t{1} << 48;
    if (times_.width != 0 || numbers_.width != 0 || damaged_) return 0;
    const std::int64_t step = as_i64(times_.base);
    if (step <= 0 || step > kSmall || timestamp_ > kSmall || timestamp_ < -kSmall) return 0;
    return count_ - 1 - index_;
  }
  void skip(std::uint64_t count) {
    if (count == 0) return;
    index_ += static_cast<std::uint32_t>(count);
    timestamp_ += as_i64(times_.base * count);
    number_ = keep_ != 0 ? number_ + numbers_.base * count : numbers_.base;
  }

  std::uint32_t count_;
  std::uint32_t index_ = 0;
  std::int64_t timestamp_;
  std::uint64_t number_ = 0;
  std::uint64_t keep_ = 0;
  double scale_ = 1;
  Column times_;
  Column numbers_;
};

}  // namespace tocsin::tsdb
