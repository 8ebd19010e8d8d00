#include <fmt/format.h>

#include <algorithm>

#include "agent/collectors/inventory/scans.h"
#include "agent/collectors/inventory/sockets.h"
#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kTableBytesMax = std::size_t{16} << 20U;
constexpr std::size_t kSmallBytesMax = 4096;
constexpr std::size_t kPortsMax = 200;
constexpr std::size_t kLinksMax = 200'000;

constexpr MetricInfo kPorts{"sec_listening_ports",
                            "Sockets that listen, by who can reach them: all, address, loopback."};

struct Port {
  std::string protocol;
  ListeningSocket socket;
  std::string process;
};

struct PortRange {
  std::uint64_t first = 32'768;
  std::uint64_t last = 60'999;
};

// Where the kernel takes ports of clients from: a UDP socket there is somebody who asked something.
PortRange client_ports(const InventoryScan& scan) {
  PortRange range;
  const auto text =
      scan.files.read(scan.settings.proc + "/sys/net/ipv4/ip_local_port_range", kSmallBytesMax);
  if (!text) return range;
  const auto fields = base::split_fields(base::trim(*text));
  if (fields.size() != 2) return range;
  range.first = base::parse_u64(fields[0]).value_or(range.first);
  range.last = base::parse_u64(fields[1]).value_or(range.last);
  return range;
}

Result<std::vector<Port>> read_ports(const InventoryScan& scan) {
  struct Table {
    const char* file;
    const char* protocol;
    const char* state;
  };
  constexpr Table kTables[] = {
      {"tcp", "tcp", "0A"}, {"tcp6", "tcp", "0A"}, {"udp", "udp", "07"}, {"udp6", "udp", "07"}};
  const PortRange clients = client_ports(scan);
  std::vector<Port> ports;
  for (const Table& table : kTables) {
    const auto text = scan.files.read(scan.settings.proc + "/net/" + table.file, kTableBytesMax);
    if (!text) {
      // A kernel without IPv6 has no such file.
      if (text.error().code == ErrorCode::NotFound && std::string_view(table.file).ends_with('6')) {
        continue;
      }
      return text.error();
    }
    for (const ListeningSocket& socket : parse_listening(*text, table.state)) {
      const bool client = socket.port >= clients.first && socket.port <= clients.last;
      if (client && std::string_view(table.protocol) == "udp") continue;
      ports.push_back({table.protocol, socket, {}});
    }
  }
  return ports;
}

// Looks through the open files of every process until each socket has one.
Result<void> find_processes(const InventoryScan& scan, std::vector<Port>& ports) {
  std::map<std::uint64_t, std::vector<Port*>> wanted;
  for (Port& port : ports) wanted[port.socket.inode].push_back(&port);
  TC_TRY(const std::vector<std::string> pids, scan.files.list(scan.settings.proc));
  std::optional<base::Error> denied;
  std::size_t links = 0;
  for (const std::string& pid : pids) {
    if (wanted.empty() || links > kLinksMax) break;
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string process = scan.settings.proc + "/" + pid;
    const auto descriptors = scan.files.list(process + "/fd");
    if (!descriptors) {
      if (descriptors.error().code == ErrorCode::PermissionDenied) denied = descriptors.error();
      continue;
    }
    for (const std::string& descriptor : *descriptors) {
      ++links;
      const auto link = scan.files.read_link(process + "/fd/" + descriptor);
      if (!link && link.error().code == ErrorCode::PermissionDenied) denied = link.error();
      const auto found = link ? wanted.find(socket_inode(*link)) : wanted.end();
      if (found == wanted.end()) continue;
      const auto name = scan.files.read(process + "/comm", kSmallBytesMax);
      if (!name) break;
      for (Port* port : found->second) port->process = base::trim(*name);
      wanted.erase(found);
    }
  }
  // Some belong to the kernel; without a refusal that is the explanation.
  if (wanted.empty() || !denied) return base::ok();
  denied->message += fmt::format(
      "; the processes of {} listening sockets are not known: the agent needs CAP_SYS_PTRACE and "
      "CAP_DAC_READ_SEARCH (docs/inventory.md)",
      wanted.size());
  return *denied;
}

}  // namespace

void scan_ports(InventoryScan& scan) {
  auto read = read_ports(scan);
  if (!read) {
    scan.check("ports", read.error());
    return;
  }
  std::vector<Port>& ports = *read;
  // Not InventoryScan::check(): this takes another grant, and says so.
  scan.round.check("port_processes", find_processes(scan, ports));
  std::map<std::vector<std::string>, int> told;
  InventoryFamily& open = scan.snapshot["port"];
  InventoryFamily& local = scan.snapshot["local_port"];
  for (const Port& port : ports) {
    const std::string scope(to_string(port.socket.scope));
    ++told[{port.protocol, std::to_string(port.socket.port), scope, port.process}];
    const bool is_local = port.socket.scope == ListenScope::Loopback;
    const std::string name =
        is_local
            ? fmt::format("{} {}", port.protocol, port.socket.port)
            : fmt::format("{} {} on {}", port.protocol, port.socket.port,
                          port.socket.scope == ListenScope::All ? "all addresses" : "an address");
    std::string& process = (is_local ? local : open).entries[name];
    process = std::max(process, port.process);
  }
  ScanOutcome outcome;
  std::size_t series = 0;
  for (const auto& [key, count] : told) {
    if (++series > kPortsMax) {
      outcome.failed(
          base::error(ErrorCode::LimitExceeded,
                      fmt::format("{} listening ports, {} are told", told.size(), kPortsMax)));
      break;
    }
    scan.round.add(kPorts,
                   {{"protocol", key[0]}, {"port", key[1]}, {"scope", key[2]}, {"process", key[3]}},
                   count);
  }
  scan.check("ports", outcome.result());
}

}  // namespace tocsin::agent
