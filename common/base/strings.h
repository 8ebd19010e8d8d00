// Small text functions used everywhere.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tocsin::base {

/// Returns `text` without leading and trailing spaces, tabs and line ends.
std::string_view trim(std::string_view text);

/// Returns the parts between separators; n separators give n + 1 parts.
std::vector<std::string_view> split(std::string_view text, char separator);

/// Returns the parts between runs of spaces and tabs; no empty parts.
std::vector<std::string_view> split_fields(std::string_view text);

/// Calls `line(view)` for each line, without its line end.
template <class Function>
void for_each_line(std::string_view text, Function line) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    line(text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

std::string join(std::span<const std::string> parts, std::string_view separator);
std::string to_lower(std::string_view text);

/// Parses the whole text as a decimal number; nullopt if anything is left over or it overflows.
std::optional<std::uint64_t> parse_u64(std::string_view text);
std::optional<std::int64_t> parse_i64(std::string_view text);
/// Accepts Go's forms: decimal, exponent, hexadecimal, "Inf", "+Inf", "-inf", "NaN".
std::optional<double> parse_double(std::string_view text);

/// Returns the shortest text that reads back as `value`: Go's strconv 'f' -1 within 1e-6..1e21,
/// else exponent form, as Prometheus writes JSON; "NaN", "+Inf", "-Inf".
std::string format_double(double value);

/// Replaces control bytes (below 0x20, and 0x7f) by \n, \t, \r or \xNN.
std::string escape_control(std::string_view text);

/// Returns whether the text is valid UTF-8. Source: RFC 3629.
bool is_utf8(std::string_view text);

/// Returns the keys of a map from strings, in its order; for closest() and messages.
template <class Map>
std::vector<std::string> keys_of(const Map& map) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : map) keys.push_back(key);
  return keys;
}

/// Returns the candidate closest to `word` if it is close enough to be a slip of the keyboard
/// (edit distance at most 1 + length / 4), else nullopt. For "did you mean".
std::optional<std::string> closest(std::string_view word, std::span<const std::string> candidates);

/// Parses a size with an optional binary or decimal unit: "512", "64KiB", "10MB", "1GiB".
std::optional<std::uint64_t> parse_bytes(std::string_view text);

}  // namespace tocsin::base
