// The packed code of chunks in segments: decimal numbers in as few bits as their steps need.
//
// Most of what is measured is a whole number or has a few decimals, and XOR of doubles does badly
// on it: a counter that grows by 0 to 2,000 changes some 25 bits of its double and 11 of its
// number. So a chunk whose values are all whole numbers over one power of ten is written as these
// numbers: times and numbers as steps (numbers perhaps as they are, if that is shorter), of which
// the smallest is taken off, in a fixed width; what does not fit that is written out behind an
// escape. Times and values come back bit by bit: a chunk with a value for which that does not hold
// (NaN, -0.0, infinities, fractions without end) keeps the Gorilla code, and so does one that is
// not shorter. Sources: Lemire and Boytsov, "Decoding billions of integers per second through
// vectorization", 2015 (frame of reference with exceptions); Afroozeh and others, "ALP: Adaptive
// Lossless floating-Point Compression", SIGMOD 2023 (doubles as decimals). Layout:
// SEGMENT_FORMAT.md.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "alertd/tsdb/chunk.h"

namespace tocsin::tsdb {

/// A double of at most 2^53 over one of these is the double next to the decimal number.
inline constexpr std::array<double, 13> kPowersOfTen{1,   1e1, 1e2, 1e3,  1e4,  1e5, 1e6,
                                                     1e7, 1e8, 1e9, 1e10, 1e11, 1e12};
/// A reader loads so many bits at once.
inline constexpr unsigned kPackedWidthMax = 56;

/// A code of `width` bits is a number less `base`; all ones is an escape. Width 0: all are `base`.
struct PackedColumn {
  std::uint64_t base = 0;  ///< Wraps: any number of 64 bits.
  unsigned width = 0;
};

/// What stands before the codes.
struct PackedHeader {
  unsigned exponent = 0;     ///< Values are numbers over this power of ten.
  bool differences = false;  ///< Codes of values are steps, not the numbers.
  PackedColumn times;        ///< Steps, in milliseconds.
  PackedColumn numbers;
  std::uint64_t first = 0;  ///< The first number.
  std::size_t bytes = 0;    ///< Its length.

  /// Returns false at damage.
  bool read(std::string_view chunk);
  void write(std::string& out);
};

/// Packs chunks one after another. Thread: one.
class ChunkPacker {
 public:
  /// Returns the chunk in the shorter code: itself, or one in memory of this packer, valid until
  /// the next call. `chunk` may be damaged, and is then returned as it is.
  ChunkView pack(const ChunkView& chunk);

 private:
  bool find_numbers();
  void put(const PackedColumn& column, std::uint64_t number);

  std::vector<model::Sample> samples_;
  std::vector<std::uint64_t> numbers_;
  std::vector<std::uint64_t> times_;    // steps
  std::vector<std::uint64_t> changes_;  // steps of numbers
  unsigned exponent_ = 0;
  std::string header_;
  std::uint32_t bits_ = 0;
  std::array<char, kChunkBytesMax + 2 * kChunkPadding> bytes_{};
};

}  // namespace tocsin::tsdb
