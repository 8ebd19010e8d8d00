// Collector "pressure": time that tasks waited for CPU, memory and disks (pressure stall
// information).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/reader.h"

namespace tocsin::agent {

/// Totals since boot in microseconds.
struct Pressure {
  std::optional<std::uint64_t> some_us;  ///< At least one task waited.
  std::optional<std::uint64_t> full_us;  ///< All tasks that were not idle waited.
};

/// Parses a file of /proc/pressure.
/// Errors: InvalidArgument if a "some" or "full" line has no total, or neither is there.
/// Pure. Source: Linux, Documentation/accounting/psi.rst.
base::Result<Pressure> parse_pressure(std::string_view text);

std::unique_ptr<Collector> make_pressure_collector(const HostPaths& paths);

}  // namespace tocsin::agent
