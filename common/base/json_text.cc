#include "common/base/json_text.h"

#include <cstring>

namespace tocsin::base {
namespace {

bool needs_escape(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\';
}

constexpr std::uint64_t kOnes = 0x0101010101010101;
constexpr std::uint64_t kHighBits = 0x8080808080808080;

/// Returns whether one of eight bytes is less than `limit`, which is at most 0x80.
/// Source: Anderson, "Bit Twiddling Hacks", hasless.
constexpr bool has_less(std::uint64_t bytes, std::uint64_t limit) {
  return ((bytes - kOnes * limit) & ~bytes & kHighBits) != 0;
}

bool any_needs_escape(std::uint64_t bytes) {
  return has_less(bytes, 0x20) || has_less(bytes ^ (kOnes * '"'), 1) ||
         has_less(bytes ^ (kOnes * '\\'), 1);
}

/// Returns how many bytes at the front need no escape.
std::size_t plain_bytes(std::string_view text) {
  std::size_t at = 0;
  for (std::uint64_t bytes = 0; at + sizeof bytes <= text.size(); at += sizeof bytes) {
    std::memcpy(&bytes, text.data() + at, sizeof bytes);
    if (any_needs_escape(bytes)) break;
  }
  while (at < text.size() && !needs_escape(text[at])) ++at;
  return at;
}

void escape(char c, std::string& out) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += kDigits[static_cast<unsigned char>(c) >> 4U];
      out += kDigits[static_cast<unsigned char>(c) & 15U];
  }
}

}  // namespace

JsonText& JsonText::begin(char bracket) {
  separate();
  out_ += bracket;
  comma_ = false;
  return *this;
}

JsonText& JsonText::end(char bracket) {
  out_ += bracket;
  comma_ = true;
  return *this;
}

JsonText& JsonText::key(std::string_view name) {
  separate();
  quote(name);
  out_ += ':';
  comma_ = false;
  return *this;
}

JsonText& JsonText::value(std::string_view text) {
  separate();
  quote(text);
  return *this;
}

JsonText& JsonText::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

void JsonText::quote(std::string_view text) {
  out_ += '"';
  while (!text.empty()) {
    const std::size_t plain = plain_bytes(text);
    out_ += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    escape(text.front(), out_);
    text.remove_prefix(1);
  }
  out_ += '"';
}

}  // namespace tocsin::base
