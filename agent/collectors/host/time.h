// Collector "time": the host's clock, its time zone and its clock sources.
#pragma once

#include <memory>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/reader.h"
#include "common/base/clock.h"

namespace tocsin::agent {

std::unique_ptr<Collector> make_time_collector(const HostPaths& paths, const base::Clock& clock);

}  // namespace tocsin::agent
