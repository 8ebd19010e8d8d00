// Collector "filesystem": room, file nodes and state of mounted file systems.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/host_collectors.h"
#include "agent/collectors/host/statfs_pool.h"

namespace tocsin::agent {

/// One line of a mounts file.
struct Mount {
  std::string device;      ///< As written; escapes are kept, as node_exporter does.
  std::string mountpoint;  ///< With octal escapes (\040 for a space) decoded.
  std::string fstype;
  bool read_only = false;
};

/// Parses the text of /proc/<pid>/mounts.
/// Errors: InvalidArgument if a line has fewer than four fields. Pure. Source: fstab(5),
/// getmntent(3).
base::Result<std::vector<Mount>> parse_mounts(std::string_view text);

/// Returns whether a file system of this type can hang: on the network, or in another program.
bool is_remote_fstype(std::string_view fstype);

std::unique_ptr<Collector> make_filesystem_collector(const HostSettings& settings, HostWorld world,
                                                     StatfsFunction statfs = real_statfs);

}  // namespace tocsin::agent
