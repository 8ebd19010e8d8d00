#include "common/config/source.h"

#include <fmt/core.h>

#include <algorithm>
#include <tuple>

#include "common/base/strings.h"

namespace tocsin::config {
namespace {

base::Error bad_byte(const std::string& path, std::string_view text, std::size_t offset,
                     std::string_view what) {
  const base::Position at = base::position_of(text, offset);
  return base::error(base::ErrorCode::InvalidArgument,
                     fmt::format("{}:{}:{}: {}", path, at.line, at.column, what));
}

// Halving finds the longest good prefix: is_utf8 says only yes or no, and a cut may fall inside a
// character, so the last lines are enough of an answer.
std::size_t first_bad_utf8(std::string_view text) {
  std::size_t offset = 0;
  while (offset < text.size()) {
    const std::size_t end = std::min(text.find('\n', offset), text.size());
    if (!base::is_utf8(text.substr(offset, end - offset))) {
      while (offset < end) {
        std::size_t length = 1;
        while (length <= 4 && !base::is_utf8(text.substr(offset, length))) ++length;
        if (length > 4 || offset + length > text.size()) return offset;
        offset += length;
      }
    }
    offset = end + 1;
  }
  return text.size();
}

}  // namespace

base::Result<Source> load_source(const base::FileSystem& files, const std::string& path,
                                 std::size_t bytes_max) {
  TC_TRY(std::string text, files.read(path, bytes_max));
  if (text.starts_with("\xEF\xBB\xBF")) {
    return bad_byte(path, text, 0,
                    "file starts with a byte order mark; save it as UTF-8 without BOM");
  }
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
    return bad_byte(path, text, 0, "file is UTF-16; save it as UTF-8 without BOM");
  }
  if (const std::size_t nul = text.find('\0'); nul != std::string::npos) {
    return bad_byte(path, text, nul, "NUL byte; this is not a text file");
  }
  if (!base::is_utf8(text)) {
    return bad_byte(path, text, first_bad_utf8(text),
                    "byte is not valid UTF-8; save the file as UTF-8");
  }
  return Source{path, std::move(text)};
}

std::string render_all(const base::Diagnostics& diagnostics, std::span<const Source> sources) {
  const auto source_index = [&](const std::string& file) {
    const auto found = std::find_if(sources.begin(), sources.end(),
                                    [&](const Source& source) { return source.file == file; });
    return static_cast<std::size_t>(found - sources.begin());
  };
  base::Diagnostics sorted = diagnostics;
  std::stable_sort(sorted.begin(), sorted.end(), [&](const auto& a, const auto& b) {
    return std::tuple(source_index(a.file), a.line, a.column) <
           std::tuple(source_index(b.file), b.line, b.column);
  });
  std::string text;
  std::string previous;
  for (const base::Diagnostic& diagnostic : sorted) {
    const std::size_t index = source_index(diagnostic.file);
    std::string one = base::render(
        diagnostic, index < sources.size() ? std::string_view(sources[index].text) : "");
    if (one == previous) continue;
    text += one;
    previous = std::move(one);
  }
  return text;
}

}  // namespace tocsin::config
