#include "proto/xor_chunk.h"

#include <array>
#include <bit>
#include <cstdint>

#include "common/base/check.h"

namespace tocsin::proto {
namespace {

/// Bits, the most significant first, at the end of a text.
class BitWriter {
 public:
  explicit BitWriter(std::string& out) : out_(out) {}

  void put(std::uint64_t value, unsigned count) {
    while (count > 0) {
      if (free_ == 0) {
        out_ += '\0';
        free_ = 8;
      }
      const unsigned now = count < free_ ? count : free_;
      const auto part = static_cast<unsigned>((value >> (count - now)) & ((1U << now) - 1U));
      out_.back() =
          static_cast<char>(static_cast<unsigned char>(out_.back()) | part << (free_ - now));
      free_ -= now;
      count -= now;
    }
  }

  void put_varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7U) put((value & 0x7fU) | 0x80U, 8);
    put(value, 8);
  }

 private:
  std::string& out_;
  unsigned free_ = 0;  // bits of the last byte
};

struct Bucket {
  unsigned prefix;
  unsigned prefix_bits;
  unsigned bits;
};
constexpr std::array<Bucket, 3> kBuckets{{{0b10, 2, 14}, {0b110, 3, 17}, {0b1110, 4, 20}}};

void put_difference(std::int64_t difference, BitWriter& writer) {
  if (difference == 0) return writer.put(0, 1);
  for (const Bucket& bucket : kBuckets) {
    const std::int64_t half = std::int64_t{1} << (bucket.bits - 1);
    if (difference <= -half || difference > half) continue;
    writer.put(bucket.prefix, bucket.prefix_bits);
    return writer.put(static_cast<std::uint64_t>(difference), bucket.bits);
  }
  writer.put(0b1111, 4);
  writer.put(static_cast<std::uint64_t>(difference), 64);
}

/// The window of changed bits that values share as long as they fit into it.
struct Window {
  unsigned leading = 0xff;  // 0xff: none yet
  unsigned trailing = 0;

  void put(std::uint64_t changed, BitWriter& writer) {
    if (changed == 0) return writer.put(0, 1);
    writer.put(1, 1);
    const auto zeros = static_cast<unsigned>(std::countl_zero(changed));
    const unsigned now_leading = zeros > 31 ? 31 : zeros;  // what five bits can say
    const auto now_trailing = static_cast<unsigned>(std::countr_zero(changed));
    if (leading != 0xff && now_leading >= leading && now_trailing >= trailing) {
      writer.put(0, 1);
      return writer.put(changed >> trailing, 64 - leading - trailing);
    }
    leading = now_leading;
    trailing = now_trailing;
    const unsigned significant = 64 - leading - trailing;
    writer.put(1, 1);
    writer.put(leading, 5);
    writer.put(significant & 63U, 6);  // 64 is written as 0
    writer.put(changed >> trailing, significant);
  }
};

}  // namespace

void append_xor_chunk(std::span<const model::Sample> samples, std::string& out) {
  TC_CHECK(!samples.empty() && samples.size() <= 0xffff, "samples of a chunk");
  BitWriter writer(out);
  writer.put(samples.size(), 16);
  Window window;
  std::uint64_t value = 0;
  std::uint64_t time = 0;
  std::uint64_t delta = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const auto bits = std::bit_cast<std::uint64_t>(samples[i].value);
    const auto now = static_cast<std::uint64_t>(samples[i].timestamp_ms);
    if (i == 0) {
      const std::uint64_t sign = samples[i].timestamp_ms < 0 ? ~std::uint64_t{0} : 0;
      writer.put_varint(now << 1U ^ sign);
      writer.put(bits, 64);
    } else if (i == 1) {
      delta = now - time;
      writer.put_varint(delta);
      window.put(bits ^ value, writer);
    } else {
      put_difference(static_cast<std::int64_t>(now - time - delta), writer);
      delta = now - time;
      window.put(bits ^ value, writer);
    }
    value = bits;
    time = now;
  }
}

}  // namespace tocsin::proto
