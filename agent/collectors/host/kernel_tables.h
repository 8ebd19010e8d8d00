// Collectors "softnet", "arp" and "entropy": three small tables of the kernel.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/reader.h"

namespace tocsin::agent {

/// One CPU's line of /proc/net/softnet_stat.
struct SoftnetStat {
  std::uint64_t cpu = 0;
  std::uint64_t processed = 0;
  std::uint64_t dropped = 0;
  std::uint64_t squeezed = 0;  ///< Times the work was cut short.
};

/// Parses the text of /proc/net/softnet_stat. The CPU is the 13th column where the kernel gives it
/// (5.10), else the number of the line. Errors: InvalidArgument if one of the first three columns
/// is no hexadecimal number. Pure.
base::Result<std::vector<SoftnetStat>> parse_softnet(std::string_view text);

/// Parses /proc/net/arp: entries for each device.
/// Errors: InvalidArgument if a line has fewer than six columns. Pure. Source: proc(5).
base::Result<std::map<std::string, std::uint64_t>> parse_arp(std::string_view text);

std::unique_ptr<Collector> make_softnet_collector(const HostPaths& paths);
std::unique_ptr<Collector> make_arp_collector(const HostPaths& paths);
std::unique_ptr<Collector> make_entropy_collector(const HostPaths& paths);

}  // namespace tocsin::agent
