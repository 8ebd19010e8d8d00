#include "common/base/resident.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "common/base/strings.h"

namespace tocsin::base {
namespace {

constexpr std::size_t kMapsBytesMax = 4 << 20;

struct Range {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
};

/// "7f1000-7f2000 r-xp 00000000 fe:00 1234 /usr/lib/x.so": code of a file, or nothing.
std::optional<Range> code_range(std::string_view line) {
  const std::size_t dash = line.find('-');
  const std::size_t space = line.find(' ');
  if (dash == line.npos || space == line.npos || dash > space) return std::nullopt;
  if (line.substr(space + 1, 4) != "r-xp" || line.find('/') == line.npos) return std::nullopt;
  Range range;
  const char* const text = line.data();
  const bool read =
      std::from_chars(text, text + dash, range.begin, 16).ptr == text + dash &&
      std::from_chars(text + dash + 1, text + space, range.end, 16).ptr == text + space;
  if (!read || range.begin >= range.end) return std::nullopt;
  return range;
}

}  // namespace

Result<std::size_t> release_code_pages(const FileSystem& files) {
  TC_TRY(const std::string maps, files.read("/proc/self/maps", kMapsBytesMax));
  std::size_t bytes = 0;
  for (const std::string_view line : split(maps, '\n')) {
    const auto range = code_range(line);
    if (!range) continue;
    const std::size_t length = range->end - range->begin;
    if (::madvise(reinterpret_cast<void*>(range->begin), length, MADV_DONTNEED) != 0) {
      return error(ErrorCode::Io, fmt::format("madvise: {}", std::strerror(errno)));
    }
    bytes += length;
  }
  return bytes;
}

}  // namespace tocsin::base
