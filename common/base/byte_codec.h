// Numbers and texts as files hold them: varints, zigzag, lengths. Layout:
// alertd/tsdb/WAL_FORMAT.md.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace tocsin::base {

static_assert(std::endian::native == std::endian::little, "numbers are written as they are");

inline std::uint64_t as_u64(std::int64_t value) {
  return static_cast<std::uint64_t>(value);
}
inline std::int64_t as_i64(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}

/// Appends the bytes of a number as they are in memory.
template <class Number>
void put_raw(Number value, std::string& out) {
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  out.append(raw, sizeof value);
}
/// Reads what put_raw wrote; `bytes` has at least so many.
template <class Number>
Number get_raw(std::string_view bytes) {
  Number value{};
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

inline void put_varint(std::uint64_t value, std::string& out) {
  while (value >= 0x80) {
    out += static_cast<char>((value & 0x7fU) | 0x80U);
    value >>= 7U;
  }
  out += static_cast<char>(value);
}
/// Small negative numbers stay short: 0, -1, 1, -2 become 0, 1, 2, 3. Differences may wrap.
inline void put_signed(std::uint64_t value, std::string& out) {
  put_varint((value << 1U) ^ (0 - (value >> 63U)), out);
}
inline void put_text(std::string_view text, std::string& out) {
  put_varint(text.size(), out);
  out += text;
}

/// Reads a payload; after the first damage everything reads as 0 and ok() is false.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool ok() const { return ok_; }
  bool at_end() const { return !ok_ || at_ == end_; }
  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  const char* here() const { return at_; }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) break;
      const auto byte = static_cast<unsigned char>(*at_++);
      value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
      if (byte < 0x80) return value;
    }
    return fail();
  }
  std::uint64_t signed_varint() {
    const std::uint64_t value = varint();
    return (value >> 1U) ^ (0 - (value & 1U));
  }
  std::string_view bytes(std::uint64_t length) {
    if (length > left()) {
      fail();
      return {};
    }
    const std::string_view taken(at_, static_cast<std::size_t>(length));
    at_ += length;
    return taken;
  }
  std::string_view text() { return bytes(varint()); }
  double number() {
    const std::string_view raw = bytes(8);
    return raw.size() == 8 ? get_raw<double>(raw) : 0;
  }
  std::uint64_t fail() {
    ok_ = false;
    at_ = end_;
    return 0;
  }

 private:
  const char* at_;
  const char* end_;
  bool ok_ = true;
};

}  // namespace tocsin::base
