// backup_manifest of a base backup: which files it has, their lengths and checksums, and which WAL
// it needs. Read line by line: of a large cluster it has tens of megabytes.
// Source: PostgreSQL, "Backup Manifest Format".
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "agent/backup/finding.h"
#include "agent/backup/paced_file.h"

namespace tocsin::agent {

struct ManifestFile {
  std::string path{};  ///< Within the data folder.
  std::uint64_t size = 0;
  std::string algorithm{};  ///< Empty or "NONE": no checksum.
  std::string checksum{};   ///< Lower-case hexadecimal digits.
};

/// WAL that the backup needs to become consistent.
struct WalRange {
  std::uint32_t timeline = 0;
  std::uint64_t start = 0;  ///< Positions in bytes.
  std::uint64_t end = 0;
};

struct Manifest {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::vector<WalRange> wal{};
};

/// Reads a manifest and hands each file to `each` (may be empty).
///
/// Findings: "damaged" (no manifest, or its own checksum is wrong), "truncated" (no checksum at the
/// end), and those of `each`.
Found read_manifest(PacedFile& file, const std::function<Found(ManifestFile)>& each,
                    Manifest& manifest);

/// Returns the position of "16/B374D848"; nullopt if it is none.
std::optional<std::uint64_t> parse_lsn(std::string_view text);

/// Returns whether the server writes this file anew after the manifest, so that a difference means
/// nothing.
bool outside_manifest(std::string_view path);

}  // namespace tocsin::agent
