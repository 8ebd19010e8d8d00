#include "agent/snapshot/snapshot_store.h"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>

namespace tocsin::agent {
namespace {

constexpr int kLevel = 9;
constexpr std::string_view kBegin = "snapshot-";
constexpr std::string_view kEnd = ".json.zst";

}  // namespace

std::string compress_snapshot(std::string_view json) {
  std::string out(ZSTD_compressBound(json.size()), '\0');
  // Fails for want of room or memory only; the room is the bound.
  const std::size_t size = ZSTD_compress(out.data(), out.size(), json.data(), json.size(), kLevel);
  out.resize(ZSTD_isError(size) != 0 ? 0 : size);
  return out;
}

base::Result<std::string> SnapshotFolder::keep(base::WallTime now, std::string_view reason,
                                               std::string_view json) {
  const std::string packed = compress_snapshot(json);
  if (packed.size() > settings_.bytes_max) {
    return base::error(
        base::ErrorCode::LimitExceeded,
        fmt::format("a snapshot of {} bytes, limit {}", packed.size(), settings_.bytes_max));
  }
  TC_TRY(files_.create_folders(settings_.folder));
  std::string time = base::format_rfc3339(now);
  std::erase(time, ':');
  std::string path =
      base::join_path(settings_.folder, fmt::format("{}{}-{}{}", kBegin, time, reason, kEnd));
  TC_TRY(files_.write_atomic(path, packed, kSnapshotMode));
  make_room();
  return path;
}

std::vector<std::string> SnapshotFolder::names() const {
  auto names = files_.list(settings_.folder);
  if (!names) return {};
  std::erase_if(*names, [](const std::string& name) {
    return !name.starts_with(kBegin) || !name.ends_with(kEnd);
  });
  return std::move(*names);
}

SnapshotFolder::Size SnapshotFolder::size() const {
  Size size;
  for (const std::string& name : names()) {
    ++size.files;
    const auto bytes = files_.size(base::join_path(settings_.folder, name));
    size.bytes += bytes ? *bytes : 0;
  }
  return size;
}

void SnapshotFolder::make_room() {
  Size now = size();
  for (const std::string& name : names()) {
    if (now.files <= settings_.files_max && now.bytes <= settings_.bytes_max) return;
    const std::string path = base::join_path(settings_.folder, name);
    const auto bytes = files_.size(path);
    if (!files_.remove(path)) return;
    --now.files;
    now.bytes -= std::min(now.bytes, bytes ? *bytes : 0);
  }
}

}  // namespace tocsin::agent
