// What a backup of alertd holds: the list of its files with their checksums, and what is not in it.
//
// The list is written last (a folder) or first (a tar file, which gets its name last): a backup
// without it is unfinished. Format: docs/backup-of-tocsin.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"

namespace tocsin::backup {

/// A release refuses a backup with a greater number.
inline constexpr int kFormat = 1;
inline constexpr std::string_view kManifestName = "manifest.json";
/// What goes back into the data folder begins with this, what an operator puts back by hand with
/// the other.
inline constexpr std::string_view kDataPrefix = "data/";
inline constexpr std::string_view kConfigurationPrefix = "configuration/";

struct FileEntry {
  std::string path;  ///< Relative, with '/': "data/state.db".
  std::uint64_t bytes = 0;
  std::string sha256;  ///< 64 lower-case hexadecimal digits.
  std::uint32_t mode = 0600;
};

struct Manifest {
  int format = kFormat;
  std::string version;  ///< Of the alertd that made it.
  std::string host;
  base::WallTime created_at{};
  std::vector<std::string> missing;  ///< For people: what is not in it, and why.
  std::vector<FileEntry> files;

  std::uint64_t bytes() const;
};

std::string to_json(const Manifest& manifest);

/// Errors: InvalidArgument (a newer format), Corruption (no manifest; a path that is absolute,
/// leaves the backup or comes twice; a checksum that is none).
base::Result<Manifest> parse_manifest(std::string_view json);

}  // namespace tocsin::backup
