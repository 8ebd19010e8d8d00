// Collector "diskstats": input and output of block devices, and what udev knows about them.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/reader.h"

namespace tocsin::agent {

/// One line of /proc/diskstats. `values` holds what the kernel gave: 11 numbers before Linux 4.18,
/// 15 with discards, 17 with flushes (5.5), perhaps more later.
struct DiskStats {
  std::uint64_t major = 0;
  std::uint64_t minor = 0;
  std::string_view device;
  std::array<std::uint64_t, 17> values{};
  std::size_t value_count = 0;
};

/// Parses the text of /proc/diskstats; names are views into it.
///
/// Errors: InvalidArgument if a line has fewer than 11 values or something that is no number.
/// Pure. Source: Linux, Documentation/admin-guide/iostats.rst.
base::Result<std::vector<DiskStats>> parse_diskstats(std::string_view text);

/// Parses a device's file in /run/udev/data: the properties of its "E:" lines. Other lines are
/// skipped.
std::map<std::string, std::string, std::less<>> parse_udev_properties(std::string_view text);

/// `devices_exclude` is a valid RE2 pattern of device names to leave out.
std::unique_ptr<Collector> make_diskstats_collector(const HostPaths& paths,
                                                    const std::string& devices_exclude);

}  // namespace tocsin::agent
