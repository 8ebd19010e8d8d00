// The folder in which snapshots are kept: named by their time, mode 0600, the oldest taken away.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/file_system.h"
#include "common/base/time.h"

namespace tocsin::agent {

/// Of every snapshot: few eyes.
inline constexpr mode_t kSnapshotMode = 0600;

/// Compresses with zstd; `unzstd FILE` reads it.
std::string compress_snapshot(std::string_view json);

struct SnapshotFolderSettings {
  std::string folder;
  std::size_t files_max = 20;
  std::uint64_t bytes_max = std::uint64_t{64} << 20U;  ///< Of all kept.
};

/// Thread: one. `files` outlives it. Only files that it names itself are ever touched.
class SnapshotFolder {
 public:
  SnapshotFolder(base::FileSystem& files, SnapshotFolderSettings settings)
      : files_(files), settings_(std::move(settings)) {}

  /// Keeps one, then takes the oldest away until the limits hold. Returns its path.
  /// Errors: LimitExceeded (alone larger than bytes_max), PermissionDenied, Io.
  base::Result<std::string> keep(base::WallTime now, std::string_view reason,
                                 std::string_view json);

  struct Size {
    std::size_t files = 0;
    std::uint64_t bytes = 0;
  };
  Size size() const;

 private:
  std::vector<std::string> names() const;  ///< Oldest first.
  void make_room();

  base::FileSystem& files_;
  SnapshotFolderSettings settings_;
};

}  // namespace tocsin::agent
