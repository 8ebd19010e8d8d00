// Collector "conntrack": how full the connection tracking table is, and what it dropped.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/reader.h"

namespace tocsin::agent {

inline constexpr std::array<std::string_view, 8> kConntrackColumns{
    "found",         "invalid", "ignore",     "insert",
    "insert_failed", "drop",    "early_drop", "search_restart"};

/// The columns of /proc/net/stat/nf_conntrack named above, summed over all CPUs.
struct ConntrackStat {
  std::array<std::uint64_t, kConntrackColumns.size()> totals{};
};

/// Parses the table: a header of names, then a line of hexadecimal numbers for each CPU. Columns
/// are found by their name, since kernels moved and renamed some; a missing one stays 0.
///
/// Errors: InvalidArgument if a line is shorter than the header or holds no number.
/// Pure. Source: Linux, net/netfilter/nf_conntrack_standalone.c.
base::Result<ConntrackStat> parse_conntrack_stat(std::string_view text);

std::unique_ptr<Collector> make_conntrack_collector(const HostPaths& paths);

}  // namespace tocsin::agent
