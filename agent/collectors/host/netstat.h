// Collector "netstat": the counters of the network protocols that say something about trouble.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/reader.h"

namespace tocsin::agent {

/// `protocol` and `name` as in "Tcp" and "RetransSegs".
using NetstatField =
    std::function<void(std::string_view protocol, std::string_view name, double value)>;

/// Parses /proc/net/netstat and /proc/net/snmp: pairs of lines, names above numbers (which may be
/// -1). Errors: InvalidArgument if the two lines of a pair do not belong together. Pure. Source:
/// proc(5).
base::Result<void> parse_netstat(std::string_view text, const NetstatField& field);

/// Parses /proc/net/snmp6: "Udp6InErrors 3" gives ("Udp6", "InErrors", 3); lines without a 6 are
/// skipped. Errors: InvalidArgument if a line is not a name and a number. Pure.
base::Result<void> parse_snmp6(std::string_view text, const NetstatField& field);

/// Returns whether the field is collected; the same choice as node_exporter's default.
bool is_wanted_netstat_field(std::string_view protocol, std::string_view name);

std::unique_ptr<Collector> make_netstat_collector(const HostPaths& paths);

}  // namespace tocsin::agent
