// Collector "stat": interrupts, context switches, forks, boot time, runnable and blocked processes.
#pragma once

#include <memory>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/reader.h"

namespace tocsin::agent {

std::unique_ptr<Collector> make_stat_collector(const HostPaths& paths);

}  // namespace tocsin::agent
