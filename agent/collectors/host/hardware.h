// Collectors "bonding" and "edac": joined network links, and errors that memory controllers found.
#pragma once

#include <memory>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/reader.h"

namespace tocsin::agent {

/// present() is false without the bonding driver.
std::unique_ptr<Collector> make_bonding_collector(const HostPaths& paths);

/// present() is false without a memory controller that reports errors.
std::unique_ptr<Collector> make_edac_collector(const HostPaths& paths);

}  // namespace tocsin::agent
