// Reads a file in pieces, decompressing whatever compressed it.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "common/base/file_system.h"

namespace tocsin::agent {

using TakePiece = std::function<base::Result<void>(std::string_view)>;

/// Calls `take` for each piece of the content of `path`; gzip, lz4, xz and zstd are known by their
/// first bytes. At most `bytes_max` decompressed.
/// Errors: NotFound, PermissionDenied, Io, Corruption (cut, damaged), InvalidArgument (bzip2),
/// LimitExceeded, and take's.
base::Result<void> read_pieces(const base::FileSystem& files, const std::string& path,
                               std::uint64_t bytes_max, const TakePiece& take);

}  // namespace tocsin::agent
