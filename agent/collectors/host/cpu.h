// Collector "cpu": seconds by mode for each CPU, thermal throttling, isolated CPUs.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/kernel_stat.h"
#include "agent/collectors/host/reader.h"

namespace tocsin::agent {

/// Keeps each CPU's times from running backwards.
///
/// The kernel's idle and iowait columns may step back a little; a counter that does so looks like a
/// restart to every rate(). A field keeps its old value until it grows past it; an idle column that
/// falls by three seconds or more, or another number of CPUs, means a new start (CPU hot-plug,
/// migration).
class CpuHistory {
 public:
  /// Merges one reading; returns what to report.
  const std::vector<CpuTimes>& merge(const std::vector<CpuTimes>& reading);

 private:
  std::vector<CpuTimes> times_;
};

/// Parses a CPU list such as "0-2,5". Errors: InvalidArgument. Source: cpuset(7), "List format".
base::Result<std::vector<std::uint32_t>> parse_cpu_list(std::string_view text);

std::unique_ptr<Collector> make_cpu_collector(const HostPaths& paths);

}  // namespace tocsin::agent
