// Files by pattern, below a root of the caller's choice.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/file_system.h"

namespace tocsin::agent {

/// Returns `path`, which starts with a slash, below `root`.
std::string below(std::string_view root, std::string_view path);

/// What a pattern named.
struct Globbed {
  std::vector<std::string> paths;     ///< Without the root; sorted.
  std::optional<base::Error> denied;  ///< A folder that could not be looked into, or the limit.
  std::vector<std::string> hidden;    ///< Such folders, without the root; "" for the limit.
};

/// Finds what exists under the absolute `pattern`: `*`, `?` and `[...]` within one component; a
/// leading dot is matched by a dot only. At most `paths_max` are returned; more are an error beside
/// them.
Globbed glob(const base::FileSystem& files, std::string_view root, std::string_view pattern,
             std::size_t paths_max);

/// The same for several patterns; each path once.
Globbed glob_all(const base::FileSystem& files, std::string_view root,
                 const std::vector<std::string>& patterns, std::size_t paths_max);

}  // namespace tocsin::agent
