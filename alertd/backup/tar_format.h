// The part of the tar format that a backup needs: regular files, one header each.
//
// Source: POSIX.1-2017, pax, "ustar Interchange Format". Any tar reads what is written here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/base/time.h"

namespace tocsin::backup {

inline constexpr std::size_t kTarBlockBytes = 512;

/// Bytes of zeros that fill the last block of a file of that size.
inline std::size_t tar_padding(std::uint64_t bytes) {
  return static_cast<std::size_t>((kTarBlockBytes - bytes % kTarBlockBytes) % kTarBlockBytes);
}

struct TarHeader {
  std::string path;
  std::uint64_t bytes = 0;
  std::uint32_t mode = 0600;
};

/// Returns the block before a file.
/// Errors: LimitExceeded (8 GiB, a path that fits into no header).
base::Result<std::string> tar_header(const TarHeader& header, base::WallTime modified);

/// Reads one block; nullopt: the end of the archive. Other kinds of entries (folders, links) have
/// an empty path. Errors: Corruption.
base::Result<std::optional<TarHeader>> parse_tar_header(std::string_view block);

}  // namespace tocsin::backup
