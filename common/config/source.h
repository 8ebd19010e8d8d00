// Reading a configuration file from disk, and showing what is wrong with it.
#pragma once

#include <span>
#include <string>

#include "common/base/diagnostic.h"
#include "common/base/file_system.h"
#include "common/config/node.h"

namespace tocsin::config {

/// Reads a text file of at most `bytes_max` bytes.
///
/// Errors: NotFound, PermissionDenied, Io from the disk; LimitExceeded (bytes_max); InvalidArgument
/// with "file:line:column: ..." for a NUL byte, a byte order mark or text that is not UTF-8.
base::Result<Source> load_source(const base::FileSystem& files, const std::string& path,
                                 std::size_t bytes_max);

/// Returns all messages in the form of a compiler, each with the excerpt of its file in `sources`,
/// ordered by file (as first named), line and column; repetitions are left out.
std::string render_all(const base::Diagnostics& diagnostics, std::span<const Source> sources);

}  // namespace tocsin::config
