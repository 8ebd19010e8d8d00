// Collector "mdadm": Linux software RAID from /proc/mdstat.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/reader.h"

namespace tocsin::agent {

/// One array; texts are views into what was parsed.
struct RaidArray {
  std::string_view device;
  std::string_view state;  ///< active, inactive, recovering, resync, check, reshape
  std::uint64_t disks_required = 0;
  std::uint64_t disks_active = 0;
  std::uint64_t disks_failed = 0;
  std::uint64_t disks_spare = 0;
  std::uint64_t blocks = 0;
  std::uint64_t blocks_synced = 0;  ///< Equal to `blocks` unless a rebuild or check is on.
};

/// Parses the text of /proc/mdstat.
/// Errors: InvalidArgument if an array has no line of blocks, or an active one with redundancy no
/// [n/m]. Pure. Source: md(4); Linux, drivers/md/md.c.
base::Result<std::vector<RaidArray>> parse_mdstat(std::string_view text);

/// present() is false where no array was ever assembled.
std::unique_ptr<Collector> make_mdadm_collector(const HostPaths& paths);

}  // namespace tocsin::agent
