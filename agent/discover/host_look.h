// What runs on this host and where it listens, for a first configuration. Read only, once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/collectors/host/reader.h"
#include "common/base/file_system.h"

namespace tocsin::agent {

struct FoundProcess {
  int pid = 0;
  std::string comm{};
  std::vector<std::string> arguments{};  ///< May be one text with spaces: programs rewrite it.
  std::string unit{};                    ///< Of systemd; empty if none.

  /// The arguments joined by spaces.
  std::string line() const;
};

struct FoundListener {
  std::string address{};  ///< "127.0.0.1", "0.0.0.0", "::1".
  unsigned short port = 0;
  std::uint64_t inode = 0;
  int pid = 0;  ///< 0: the kernel does not tell us whose it is.

  bool loopback() const { return address.starts_with("127.") || address == "::1"; }
  /// How a program on this host reaches it: "127.0.0.1:80", "[::1]:80".
  std::string reached_at() const;
};

/// A look at the host.
struct HostLook {
  std::vector<FoundProcess> processes;    ///< Without the kernel's own threads; by number.
  std::vector<FoundListener> listeners;   ///< TCP; by port.
  std::vector<std::string> unix_sockets;  ///< Paths that programs listen on; sorted, once each.

  /// The processes whose kernel name is one of these.
  std::vector<const FoundProcess*> named(std::initializer_list<std::string_view> comms) const;
  std::vector<const FoundListener*> listeners_of(int pid) const;
  /// The first listener on the port; nullptr if there is none.
  const FoundListener* on_port(unsigned short port) const;
};

/// Parses the listening lines of /proc/net/tcp or tcp6. Pure; what cannot be read is left out.
std::vector<FoundListener> parse_tcp_listeners(std::string_view text);
/// Parses the paths of listening stream sockets in /proc/net/unix. Pure.
std::vector<std::string> parse_unix_listeners(std::string_view text);

/// At most 20,000 processes. Whose a socket is, is known of processes that we may look into.
HostLook look_at_host(const base::FileSystem& files, const HostPaths& paths);

}  // namespace tocsin::agent
