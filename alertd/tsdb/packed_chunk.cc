#include "alertd/tsdb/packed_chunk.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>
#include <span>

#include "alertd/tsdb/chunk_bits.h"

namespace tocsin::tsdb {
namespace {

constexpr std::uint8_t kDifferences = 0x10;
constexpr unsigned kEscapeLengthBits = 6;
/// Below this every whole number is a double.
constexpr double kWholeMax = 9007199254740992.0;
/// Times beyond are left to the other code: steps cannot overflow here.
constexpr std::int64_t kTimeMax = std::int64_t{1} << 48;

std::uint64_t zigzag(std::uint64_t number) {
  return (number << 1U) ^ (0 - (number >> 63U));
}

/// The number that is `value` over the power of ten, to the bit.
std::optional<std::int64_t> number_of(double value, unsigned exponent) {
  if (exponent == 0) {  // most
    if (!(std::abs(value) < kWholeMax)) return std::nullopt;
    const auto whole = static_cast<std::int64_t>(value);
    const bool same = std::bit_cast<std::uint64_t>(static_cast<double>(whole)) ==
                      std::bit_cast<std::uint64_t>(value);
    return same ? std::optional(whole) : std::nullopt;
  }
  const double scaled = value * kPowersOfTen[exponent];
  if (!(std::abs(scaled) < kWholeMax)) return std::nullopt;  // also NaN
  // Doubles in the upper half are whole, and a half would not be exact there.
  const double half = std::abs(scaled) < kWholeMax / 2 ? std::copysign(0.5, scaled) : 0;
  const auto number = static_cast<std::int64_t>(scaled + half);
  const double back = static_cast<double>(number) / kPowersOfTen[exponent];
  if (std::bit_cast<std::uint64_t>(back) != std::bit_cast<std::uint64_t>(value)) {
    return std::nullopt;  // also -0.0
  }
  return number;
}

/// What numbers a column has.
struct Range {
  explicit Range(std::span<const std::uint64_t> numbers) {
    for (const std::uint64_t one : numbers) {
      const std::int64_t number = as_i64(one);
      most = std::max(most, number);
      second = std::min(second, std::max(least, number));
      least = std::min(least, number);
    }
  }
  unsigned width() const { return width_above(least); }
  unsigned width_above(std::int64_t base) const {
    return static_cast<unsigned>(std::bit_width(as_u64(most) - as_u64(base)));
  }

  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  std::int64_t second = least;  ///< A counter that begins anew makes one step that is far below.
  std::int64_t most = std::numeric_limits<std::int64_t>::min();
};

/// How to write a column, and what that takes.
struct Plan {
  PackedColumn column;
  std::uint64_t bits = 0;
};

/// The best width above one base.
Plan plan_above(std::span<const std::uint64_t> numbers, std::uint64_t base) {
  // By the width that a number needs: how many bits it takes if that width is not given.
  std::array<std::uint64_t, 65> escaped{};
  unsigned widest = 1;
  for (const std::uint64_t number : numbers) {
    const std::uint64_t above = number - base;
    const bool below = as_i64(number) < as_i64(base);
    const auto needs = below ? 64U : static_cast<unsigned>(std::bit_width(above + 1));
    escaped[needs] += kEscapeLengthBits + static_cast<unsigned>(std::bit_width(zigzag(number) | 1));
    widest = std::max(widest, needs);
  }
  Plan best{{base, 0}, ~std::uint64_t{0}};
  std::uint64_t bits_escaped = 0;
  for (unsigned width = widest; width > 0; --width) {
    const std::uint64_t bits = width * numbers.size() + bits_escaped;
    if (width <= kPackedWidthMax && bits < best.bits) best = {{base, width}, bits};
    bits_escaped += escaped[width];
  }
  return best;
}

Plan plan(std::span<const std::uint64_t> numbers, const Range& range) {
  if (range.least == range.most) return {{as_u64(range.least), 0}, 0};
  Plan best = plan_above(numbers, as_u64(range.least));
  if (range.width_above(range.second) < range.width()) {
    const Plan other = plan_above(numbers, as_u64(range.second));
    if (other.bits < best.bits) best = other;
  }
  return best;
}

}  // namespace

bool PackedHeader::read(std::string_view chunk) {
  ByteReader reader(chunk);
  const std::string_view fixed = reader.bytes(3);
  if (fixed.size() < 3) return false;
  const auto kind = static_cast<unsigned char>(fixed[0]);
  exponent = kind & 0x0fU;
  differences = (kind & kDifferences) != 0;
  times.width = static_cast<unsigned char>(fixed[1]);
  numbers.width = static_cast<unsigned char>(fixed[2]);
  times.base = reader.signed_varint();
  numbers.base = reader.signed_varint();
  first = reader.signed_varint();
  bytes = chunk.size() - reader.left();
  return reader.ok() && kind < 2 * kDifferences && exponent < kPowersOfTen.size() &&
         times.width <= kPackedWidthMax && numbers.width <= kPackedWidthMax;
}

void PackedHeader::write(std::string& out) {
  out += static_cast<char>(exponent | (differences ? kDifferences : 0U));
  out += static_cast<char>(times.width);
  out += static_cast<char>(numbers.width);
  put_signed(times.base, out);
  put_signed(numbers.base, out);
  put_signed(first, out);
}

// A number with so many decimals is one with more of them too: earlier ones need no second look
// but for their size.
bool ChunkPacker::find_numbers() {
  exponent_ = 0;
  numbers_.clear();
  while (numbers_.size() < samples_.size()) {
    const auto number = number_of(samples_[numbers_.size()].value, exponent_);
    if (number) {
      numbers_.push_back(as_u64(*number));
    } else {
      if (++exponent_ == kPowersOfTen.size()) return false;
      numbers_.clear();
    }
  }
  return true;
}

void ChunkPacker::put(const PackedColumn& column, std::uint64_t number) {
  if (column.width == 0) return;
  const std::uint64_t escape = ~std::uint64_t{0} >> (64U - column.width);
  const std::uint64_t above = number - column.base;
  if (as_i64(number) >= as_i64(column.base) && above < escape) {
    return put_bits(bytes_.data(), bits_, above, column.width);
  }
  put_bits(bytes_.data(), bits_, escape, column.width);
  const std::uint64_t written = zigzag(number);
  const auto length = std::max(1U, static_cast<unsigned>(std::bit_width(written)));
  put_bits(bytes_.data(), bits_, length - 1, kEscapeLengthBits);
  put_bits(bytes_.data(), bits_, written, length);
}

ChunkView ChunkPacker::pack(const ChunkView& chunk) {
  if (chunk.code != ChunkCode::Gorilla || chunk.count < 2) return chunk;
  samples_.clear();
  const bool good = decode_chunk(chunk, std::numeric_limits<std::int64_t>::min(),
                                 std::numeric_limits<std::int64_t>::max(), samples_);
  if (!good || samples_.size() != chunk.count || samples_.front().timestamp_ms < -kTimeMax ||
      samples_.back().timestamp_ms > kTimeMax || !find_numbers()) {
    return chunk;
  }
  times_.clear();
  changes_.clear();
  for (std::size_t i = 1; i < samples_.size(); ++i) {
    times_.push_back(as_u64(samples_[i].timestamp_ms - samples_[i - 1].timestamp_ms));
    changes_.push_back(numbers_[i] - numbers_[i - 1]);
  }
  PackedHeader header;
  const Plan times = plan(times_, Range(times_));
  const Range range_of_changes(changes_);
  Plan numbers = plan(changes_, range_of_changes);
  header.differences = true;
  const std::span<const std::uint64_t> rest = std::span(numbers_).subspan(1);
  // What varies about a mean varies less than its steps do.
  if (const Range range(rest); range.width() < range_of_changes.width()) {
    const Plan plain = plan(rest, range);
    header.differences = numbers.bits <= plain.bits;
    if (!header.differences) numbers = plain;
  }
  header.exponent = exponent_;
  header.times = times.column;
  header.numbers = numbers.column;
  header.first = numbers_.front();
  header_.clear();
  header.write(header_);
  const std::size_t size =
      header_.size() + static_cast<std::size_t>((times.bits + numbers.bits + 7) / 8);
  if (size >= chunk.bytes.size()) return chunk;
  std::copy(header_.begin(), header_.end(), bytes_.begin());
  bytes_[header_.size()] = 0;  // put_bits() keeps what the first byte has
  bits_ = static_cast<std::uint32_t>(header_.size() * 8);
  for (std::size_t i = 0; i < times_.size(); ++i) {
    put(header.times, times_[i]);
    put(header.numbers, header.differences ? changes_[i] : rest[i]);
  }
  return {chunk.first_ms, chunk.count, {bytes_.data(), size}, ChunkCode::Packed};
}

}  // namespace tocsin::tsdb
