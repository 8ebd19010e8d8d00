#include "common/base/diagnostic.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::base {
namespace {

constexpr std::size_t kExcerptWidthMax = 160;

std::string_view line_of(std::string_view source, std::size_t line) {
  for (std::size_t i = 1; i < line; ++i) {
    const std::size_t end = source.find('\n');
    if (end == std::string_view::npos) return {};
    source.remove_prefix(end + 1);
  }
  std::string_view text = source.substr(0, source.find('\n'));
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

// A window around the column, so that a line of a megabyte stays readable.
std::string excerpt(std::string_view line, std::size_t column) {
  const std::size_t begin = column > kExcerptWidthMax ? column - kExcerptWidthMax / 2 : 0;
  const std::string_view shown = line.substr(std::min(begin, line.size()), kExcerptWidthMax);
  std::string text = "    ";
  for (const char c : shown) {
    const auto byte = static_cast<unsigned char>(c);
    text += byte < 0x20 || byte == 0x7f ? ' ' : c;  // tabs too: one column each, as counted
  }
  text += "\n    ";
  text.append(column > 0 ? column - 1 - std::min(begin, column - 1) : 0, ' ');
  return text + "^\n";
}

}  // namespace

bool has_errors(const Diagnostics& diagnostics) {
  return std::any_of(diagnostics.begin(), diagnostics.end(),
                     [](const Diagnostic& d) { return d.severity == DiagnosticSeverity::Error; });
}

std::string render(const Diagnostic& d, std::string_view source) {
  std::string text = escape_control(d.file);
  if (d.line > 0) text += fmt::format(":{}:{}", d.line, std::max<std::size_t>(d.column, 1));
  text += d.severity == DiagnosticSeverity::Error ? ": error: " : ": warning: ";
  text += escape_control(d.message) + "\n";
  if (d.line > 0 && !source.empty()) {
    if (const std::string_view line = line_of(source, d.line); !line.empty()) {
      text += excerpt(line, std::min(std::max<std::size_t>(d.column, 1), line.size() + 1));
    }
  }
  if (!d.hint.empty()) text += "    hint: " + escape_control(d.hint) + "\n";
  return text;
}

Position position_of(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const std::size_t line_end = before.rfind('\n');
  Position position;
  position.line = 1 + static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
  position.column =
      line_end == std::string_view::npos ? before.size() + 1 : before.size() - line_end;
  return position;
}

}  // namespace tocsin::base
