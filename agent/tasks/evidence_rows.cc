#include "agent/tasks/evidence_rows.h"

#include <fmt/format.h>

namespace tocsin::agent {
namespace {

constexpr std::size_t kPieceBytes = 1 << 20;

}  // namespace

base::Result<std::uint64_t> count_rows(const base::FileSystem& files, const std::string& path,
                                       const RowTerms& terms) {
  TC_TRY(const auto file, files.open_read(path));
  if (file->size() > kRowsFileBytesMax) {
    return base::error(base::ErrorCode::LimitExceeded,
                       fmt::format("{}: rows of {} bytes are not counted, limit {}", path,
                                   file->size(), kRowsFileBytesMax));
  }
  std::uint64_t lines = 0;
  bool quoted = false;
  bool something = false;  // in this line
  for (std::uint64_t at = 0; at < kRowsFileBytesMax;) {
    TC_TRY(const std::string piece, file->read_at(at, kPieceBytes));
    if (piece.empty()) break;
    at += piece.size();
    for (const char c : piece) {
      if (c == '"') quoted = !quoted;
      if (c == '\n' && !quoted) {
        if (something) ++lines;
        something = false;
      } else if (c != '\r' && c != '\n') {
        something = true;
      }
    }
  }
  if (something) ++lines;
  return lines > terms.header_lines ? lines - terms.header_lines : 0;
}

}  // namespace tocsin::agent
