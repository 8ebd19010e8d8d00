#include "common/gotemplate/text_case.h"

#include <cstdint>

#include "common/gotemplate/format.h"

namespace tocsin::gotemplate {
namespace {

bool between(std::uint32_t point, std::uint32_t first, std::uint32_t last) {
  return point >= first && point <= last;
}

std::uint32_t to_upper(std::uint32_t c) {
  if (between(c, 'a', 'z')) return c - 0x20;
  if (between(c, 0xe0, 0xfe) && c != 0xf7) return c - 0x20;
  if (between(c, 0x100, 0x137) || between(c, 0x14a, 0x177)) return c & ~1U;
  if (between(c, 0x3b1, 0x3c9) && c != 0x3c2) return c - 0x20;
  if (between(c, 0x430, 0x44f)) return c - 0x20;
  if (between(c, 0x450, 0x45f)) return c - 0x50;
  return c;
}

std::uint32_t to_lower(std::uint32_t c) {
  if (between(c, 'A', 'Z')) return c + 0x20;
  if (between(c, 0xc0, 0xde) && c != 0xd7) return c + 0x20;
  if (between(c, 0x100, 0x137) || between(c, 0x14a, 0x177)) return c | 1U;
  if (between(c, 0x391, 0x3a9)) return c + 0x20;
  if (between(c, 0x410, 0x42f)) return c + 0x20;
  if (between(c, 0x400, 0x40f)) return c + 0x50;
  return c;
}

template <class Change>
std::string map_characters(std::string_view text, Change change) {
  std::string out;
  while (!text.empty()) {
    std::uint32_t point = 0;
    const std::size_t length = decode_utf8(text, point);
    const std::uint32_t changed = change(point);
    if (changed == point) {
      out += text.substr(0, length);  // also keeps stray bytes as they are
    } else {
      append_utf8(out, changed);
    }
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace

std::string upper_case(std::string_view text) {
  return map_characters(text, to_upper);
}

std::string lower_case(std::string_view text) {
  return map_characters(text, to_lower);
}

std::string title_case(std::string_view text) {
  bool inside = false;
  return map_characters(text, [&inside](std::uint32_t c) {
    const bool letter = between(c, 'a', 'z') || between(c, 'A', 'Z') || between(c, '0', '9') ||
                        c == '_' || c == '\'' || c >= 0x80;
    const std::uint32_t result = letter && !inside ? to_upper(c) : c;
    inside = letter;
    return result;
  });
}

}  // namespace tocsin::gotemplate
