// Text for people: tables that fit the terminal, safe cells, colours, ages.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"

namespace tocsin::cli {

/// What the output can show.
struct Terminal {
  std::size_t width = 0;  ///< Columns; 0: not a terminal, do not cut.
  bool color = false;
};

enum class Color { None, Red, Yellow, Green, Blue, Bold, Dim };

/// Returns `text` in that colour, if the terminal has colours.
std::string colored(std::string_view text, Color color, const Terminal& terminal);

/// Returns the colour of a severity or state by its name.
Color color_of(std::string_view word);

/// Returns the text with everything escaped that could move the cursor, colour the terminal or
/// reverse the text: C0 and C1 controls, bidirectional controls, bytes that are not UTF-8.
std::string printable(std::string_view text);

/// Returns how many columns a printable text takes; wide East Asian characters and emoji take two,
/// combining marks none.
std::size_t display_width(std::string_view text);

struct Cell {
  std::string text;  ///< Made printable by the table.
  Color color = Color::None;
};

/// Rows under headings, columns aligned. If the terminal is too narrow, the widest columns are cut
/// and end in "…".
class Table {
 public:
  explicit Table(std::vector<std::string> headings) : headings_(std::move(headings)) {}

  /// `row` has as many cells as there are headings.
  void add(std::vector<Cell> row);
  bool empty() const { return rows_.empty(); }

  /// Returns the table, each line with its line end; trailing spaces removed.
  std::string text(const Terminal& terminal) const;

 private:
  std::vector<std::string> headings_;
  std::vector<std::vector<Cell>> rows_;
};

/// Returns how long ago in at most two units: "3m12s", "2d4h", "now".
std::string age(base::WallTime since, base::WallTime now);

}  // namespace tocsin::cli
