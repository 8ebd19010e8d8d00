// Collectors "sockstat" and "udp_queues": sockets in use, and bytes waiting in UDP sockets.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/reader.h"

namespace tocsin::agent {

/// Calls `field` for each number of a text like /proc/net/sockstat: "TCP: inuse 1 mem 0" gives
/// ("TCP", "inuse", 1) and ("TCP", "mem", 0).
///
/// Errors: InvalidArgument if a line has no colon or a name without number. Pure. Source: proc(5).
using SockstatField =
    std::function<void(std::string_view protocol, std::string_view name, std::uint64_t value)>;
base::Result<void> parse_sockstat(std::string_view text, const SockstatField& field);

/// Bytes in the queues of all sockets of /proc/net/udp or udp6.
struct UdpQueues {
  std::uint64_t transmit = 0;
  std::uint64_t receive = 0;
};

/// Errors: InvalidArgument if a line lacks its fifth column "tx:rx" of hexadecimal numbers. Pure.
base::Result<UdpQueues> parse_udp_queues(std::string_view text);

std::unique_ptr<Collector> make_sockstat_collector(const HostPaths& paths);
std::unique_ptr<Collector> make_udp_queues_collector(const HostPaths& paths);

}  // namespace tocsin::agent
