// Collector "netdev": traffic and errors of network devices.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/reader.h"

namespace tocsin::agent {

/// One line of /proc/net/dev: eight receive columns, then eight transmit columns.
struct DeviceTraffic {
  std::string_view device;
  std::array<std::uint64_t, 16> values{};
};

/// Parses the text of /proc/net/dev; names are views into it.
///
/// Errors: InvalidArgument if the two header lines are missing or a line lacks one of its numbers.
/// Pure. Source: proc(5); Linux, net/core/net-procfs.c.
base::Result<std::vector<DeviceTraffic>> parse_net_dev(std::string_view text);

/// `devices_exclude` is a valid RE2 pattern of device names to leave out.
std::unique_ptr<Collector> make_netdev_collector(const HostPaths& paths,
                                                 const std::string& devices_exclude);

}  // namespace tocsin::agent
