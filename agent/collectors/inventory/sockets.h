// Sockets that listen, as /proc/net tells. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tocsin::agent {

/// Who can reach it.
enum class ListenScope {
  All,       ///< Every address of the host.
  Address,   ///< One address that is not the loopback's.
  Loopback,  ///< This host only.
};
std::string_view to_string(ListenScope scope);

struct ListeningSocket {
  std::uint16_t port = 0;
  ListenScope scope = ListenScope::All;
  std::uint64_t inode = 0;
};

/// Parses /proc/net/tcp, tcp6 (`state` 0A: listens) or udp, udp6 (07: takes from anybody).
/// Lines that are none are left out. Source: proc_net_tcp of the kernel's documentation.
std::vector<ListeningSocket> parse_listening(std::string_view text, std::string_view state);

/// Returns N of "socket:[N]", the target of a link in /proc/PID/fd; 0 for others.
std::uint64_t socket_inode(std::string_view link);

}  // namespace tocsin::agent
