// Collector "netclass": properties of network devices from /sys/class/net.
//
// Twenty-two files a device would be the dearest read of a round (every veth of a container host
// counts), so what says whether anything changed is read each round and the rest only when it did,
// and once a minute.
#pragma once

#include <memory>
#include <string>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/reader.h"
#include "common/base/clock.h"

namespace tocsin::agent {

/// `devices_exclude` is a valid RE2 pattern of device names to leave out.
std::unique_ptr<Collector> make_netclass_collector(const HostPaths& paths,
                                                   const std::string& devices_exclude,
                                                   const base::Clock& clock);

}  // namespace tocsin::agent
