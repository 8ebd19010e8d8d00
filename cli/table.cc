#include "cli/table.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>

#include "common/base/check.h"
#include "common/base/strings.h"

namespace tocsin::cli {
namespace {

constexpr std::size_t kGap = 2;             // spaces between columns
constexpr std::size_t kColumnWidthMin = 8;  // a column is not cut below this

struct Character {
  std::uint32_t code = 0;
  std::size_t bytes = 0;  ///< 0: not UTF-8 here.
};

/// The character at the start of a text that is not empty.
Character first_character(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) return {lead, 1};
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (length > text.size() || !base::is_utf8(text.substr(0, length))) return {};
  std::uint32_t code = lead & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    code = (code << 6U) | (static_cast<unsigned char>(text[i]) & 0x3FU);
  }
  return {code, length};
}

struct Range {
  std::uint32_t first, last;
};
template <std::size_t N>
bool within(std::uint32_t code, const std::array<Range, N>& ranges) {
  return std::any_of(ranges.begin(), ranges.end(), [code](const Range& range) {
    return code >= range.first && code <= range.last;
  });
}

// Bidirectional marks, embeddings, overrides and isolates; line and paragraph separators; byte
// order mark.
constexpr std::array<Range, 6> kUnsafe{{{0x80, 0x9F},
                                        {0x200E, 0x200F},
                                        {0x2028, 0x202E},
                                        {0x2066, 0x2069},
                                        {0x061C, 0x061C},
                                        {0xFEFF, 0xFEFF}}};
// Coarse: whole blocks of combining marks and of wide characters (Unicode East Asian Width W and
// F).
constexpr std::array<Range, 6> kZeroWidth{{{0x0300, 0x036F},
                                           {0x1AB0, 0x1AFF},
                                           {0x1DC0, 0x1DFF},
                                           {0x200B, 0x200D},
                                           {0x20D0, 0x20FF},
                                           {0xFE00, 0xFE0F}}};
constexpr std::array<Range, 7> kWide{{{0x1100, 0x115F},
                                      {0x2E80, 0xA4CF},
                                      {0xAC00, 0xD7A3},
                                      {0xF900, 0xFAFF},
                                      {0xFE30, 0xFE6F},
                                      {0xFF00, 0xFF60},
                                      {0x1F300, 0x1FAFF}}};

std::size_t width_of(std::uint32_t code) {
  if (within(code, kZeroWidth)) return 0;
  return within(code, kWide) ? 2 : 1;
}

/// Cuts a printable text to `width` columns; a cut text ends in "…".
std::string fit(const std::string& text, std::size_t width) {
  if (display_width(text) <= width) return text;
  std::string out;
  std::size_t used = 1;  // for the ellipsis
  for (std::string_view rest = text; !rest.empty();) {
    const Character character = first_character(rest);
    const std::size_t bytes = std::max<std::size_t>(character.bytes, 1);
    used += width_of(character.code);
    if (used > width) break;
    out += rest.substr(0, bytes);
    rest.remove_prefix(bytes);
  }
  return out + "\xE2\x80\xA6";
}

void shrink(std::vector<std::size_t>& widths, std::size_t available) {
  std::size_t total = std::accumulate(widths.begin(), widths.end(), kGap * (widths.size() - 1));
  while (total > available) {
    const auto widest = std::max_element(widths.begin(), widths.end());
    if (*widest <= kColumnWidthMin) return;
    --*widest;
    --total;
  }
}

}  // namespace

std::string colored(std::string_view text, Color color, const Terminal& terminal) {
  if (!terminal.color || color == Color::None || text.empty()) return std::string(text);
  const auto code = [color]() -> std::string_view {
    switch (color) {
      case Color::Red:
        return "1;31";
      case Color::Yellow:
        return "33";
      case Color::Green:
        return "32";
      case Color::Blue:
        return "34";
      case Color::Bold:
        return "1";
      case Color::Dim:
        return "2";
      case Color::None:
        break;
    }
    return "0";
  }();
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

Color color_of(std::string_view word) {
  if (word == "critical" || word == "firing" || word == "open" || word == "failed")
    return Color::Red;
  if (word == "high" || word == "pending" || word == "degraded") return Color::Yellow;
  if (word == "medium" || word == "acknowledged") return Color::Blue;
  if (word == "healthy" || word == "ok" || word == "resolved") return Color::Green;
  if (word == "low") return Color::Dim;
  return Color::None;
}

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Character character = first_character(text);
    if (character.bytes == 0) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
      text.remove_prefix(1);
      continue;
    }
    const std::string_view bytes = text.substr(0, character.bytes);
    if (within(character.code, kUnsafe)) {
      out += fmt::format("\\u{:04x}", character.code);
    } else {
      out += base::escape_control(bytes);
    }
    text.remove_prefix(character.bytes);
  }
  return out;
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const Character character = first_character(text);
    width += width_of(character.code);
    text.remove_prefix(std::max<std::size_t>(character.bytes, 1));
  }
  return width;
}

void Table::add(std::vector<Cell> row) {
  TC_CHECK(row.size() == headings_.size(), "a row has as many cells as the table has headings");
  for (Cell& cell : row) cell.text = printable(cell.text);
  rows_.push_back(std::move(row));
}

std::string Table::text(const Terminal& terminal) const {
  std::vector<std::size_t> widths;
  for (std::size_t column = 0; column < headings_.size(); ++column) {
    std::size_t width = display_width(headings_[column]);
    for (const auto& row : rows_) width = std::max(width, display_width(row[column].text));
    widths.push_back(width);
  }
  if (terminal.width > 0) shrink(widths, terminal.width);

  std::string out;
  const auto add_line = [&](const auto& cell_of) {
    std::string line;
    std::size_t owed = 0;  // spaces due before the next text; none at the end of a line
    for (std::size_t column = 0; column < widths.size(); ++column) {
      const Cell cell = cell_of(column);
      const std::string text = fit(cell.text, widths[column]);
      if (!text.empty()) {
        line.append(owed, ' ');
        owed = 0;
        line += colored(text, cell.color, terminal);
      }
      owed += widths[column] - std::min(widths[column], display_width(text)) + kGap;
    }
    out += line + '\n';
  };
  add_line([&](std::size_t column) { return Cell{headings_[column], Color::Bold}; });
  for (const auto& row : rows_) {
    add_line([&](std::size_t column) { return row[column]; });
  }
  return out;
}

std::string age(base::WallTime since, base::WallTime now) {
  const std::int64_t seconds = (base::to_ms(now) - base::to_ms(since)) / 1000;
  if (seconds <= 0) return "now";
  struct Unit {
    std::int64_t seconds;
    char name;
  };
  constexpr std::array<Unit, 4> kUnits{{{86'400, 'd'}, {3'600, 'h'}, {60, 'm'}, {1, 's'}}};
  for (std::size_t i = 0; i < kUnits.size(); ++i) {
    if (seconds < kUnits[i].seconds) continue;
    std::string text = fmt::format("{}{}", seconds / kUnits[i].seconds, kUnits[i].name);
    if (i + 1 < kUnits.size()) {
      const std::int64_t rest = seconds % kUnits[i].seconds / kUnits[i + 1].seconds;
      if (rest > 0) text += fmt::format("{}{}", rest, kUnits[i + 1].name);
    }
    return text;
  }
  return "now";
}

}  // namespace tocsin::cli
