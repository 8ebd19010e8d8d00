// Charts without a browser's help: SVG in the page itself, and a line of blocks for plain text.
#pragma once

#include <string>

#include "alertd/bulletin/document.h"

namespace tocsin::bulletin {

/// Returns one <svg> element: axes with three values and local times, a line for each curve (the
/// first kLinesMax), a legend, a <title>. No script, no link. Coordinates have one decimal, so that
/// the same points give the same bytes.
std::string svg_chart(const Chart& chart, base::WallTime from, base::WallTime to,
                      const timezone::Zone& zone);

/// Returns e.g. "▁▁▂▅█▂ 3 .. 97 %" with `width` blocks; " " where there was nothing.
std::string block_chart(const Line& line, Unit unit, base::WallTime from, base::WallTime to,
                        std::size_t width = 24);

/// More lines in one chart cannot be told apart.
inline constexpr std::size_t kLinesMax = 8;

}  // namespace tocsin::bulletin
