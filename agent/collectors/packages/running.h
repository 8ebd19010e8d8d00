// What runs and what is installed: the kernel, and libraries that were replaced under programs.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/file_system.h"

namespace tocsin::agent {

/// Returns the newest of the kernels whose names have the flavour of `running` ("-amd64",
/// "-generic"), or nullopt if there is none. `names` are releases: "6.1.0-26-amd64".
std::optional<std::string> newest_kernel(const std::vector<std::string>& names,
                                         std::string_view running);

/// Returns whether a text of /proc/PID/maps has code of a library that is not on the disk any more.
bool maps_deleted_library(std::string_view maps);

/// Processes that run libraries which an upgrade replaced.
struct OutdatedProcesses {
  std::size_t count = 0;
  std::size_t looked_at = 0;
  std::size_t refused = 0;         ///< Processes of others, without CAP_SYS_PTRACE.
  std::vector<std::string> names;  ///< Each once; at most 20.
};

/// Looks through every process. Errors: Io, NotFound (no such `proc`).
base::Result<OutdatedProcesses> find_outdated(const base::FileSystem& files,
                                              const std::string& proc);

}  // namespace tocsin::agent
