// Collectors "thermal_zone", "powersupplyclass" and "nvme": three classes of /sys that say how a
// machine fares.
#pragma once

#include <memory>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/reader.h"

namespace tocsin::agent {

/// present() of each is false where the class has no device.
std::unique_ptr<Collector> make_thermal_zone_collector(const HostPaths& paths);
std::unique_ptr<Collector> make_power_supply_collector(const HostPaths& paths);
std::unique_ptr<Collector> make_nvme_collector(const HostPaths& paths);

}  // namespace tocsin::agent
