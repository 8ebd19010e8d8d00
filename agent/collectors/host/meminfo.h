// Collector "meminfo": every field of /proc/meminfo as node_memory_<field>.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/reader.h"

namespace tocsin::agent {

/// One line of /proc/meminfo; the name is a view into the text.
struct MemoryField {
  std::string_view name;  ///< As written: "Active(anon)".
  double value = 0;       ///< Bytes where `bytes`, else a count.
  bool bytes = false;     ///< The line ends in "kB", which means 1024.
};

/// Parses the text of /proc/meminfo.
///
/// Errors: InvalidArgument if a line has no colon, no number, or a unit other than kB.
/// Pure. Source: proc(5).
base::Result<std::vector<MemoryField>> parse_meminfo(std::string_view text);

/// Returns the metric of a field: "Active(anon)" in bytes -> "node_memory_Active_anon_bytes".
/// Bytes that a metric name cannot hold become underscores.
std::string memory_metric_name(const MemoryField& field);

std::unique_ptr<Collector> make_meminfo_collector(const HostPaths& paths);

}  // namespace tocsin::agent
