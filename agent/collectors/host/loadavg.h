// Collector "loadavg": the 1, 5 and 15 minute load averages.
#pragma once

#include <memory>
#include <string_view>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/reader.h"

namespace tocsin::agent {

/// Runnable plus uninterruptible tasks, averaged; not divided by the number of CPUs.
struct LoadAverage {
  double one = 0;
  double five = 0;
  double fifteen = 0;
};

/// Parses the text of /proc/loadavg, e.g. "0.21 0.37 0.39 1/719 19737\n".
///
/// Errors: InvalidArgument if fewer than three fields, or one is not a finite number >= 0.
/// Pure. Source: proc(5), "/proc/loadavg".
base::Result<LoadAverage> parse_loadavg(std::string_view text);

std::unique_ptr<Collector> make_loadavg_collector(const HostPaths& paths);

}  // namespace tocsin::agent
