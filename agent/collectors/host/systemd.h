// Collector "systemd": states of units, restarts of services, timers and sockets, from the service
// manager.
//
// The bus may hang, so one worker thread talks to it (hanging_call.h) and a round waits for the
// deadline at most. What never changes while a unit is loaded (a service's Type) is asked once for
// each unit.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/host_collectors.h"

struct sd_bus;

namespace tocsin::agent {

struct SystemdUnit {
  std::string name;
  std::string load_state;
  std::string active_state;  ///< active, activating, deactivating, inactive, failed, ...
  std::string path;          ///< Of the unit's object on the bus.
  std::string type;          ///< Of a service: simple, notify, ...; else empty.
  std::optional<std::uint32_t> restarts;               ///< Of a service.
  std::optional<std::uint64_t> last_trigger_us;        ///< Of a timer, Unix time.
  std::optional<std::uint32_t> accepted, connections;  ///< Of a socket.
  std::optional<std::uint32_t> refused;                ///< Of a socket; systemd 239 and later.
};

/// One reading of the service manager.
struct SystemdReading {
  std::string version;       ///< "252.39-1~deb12u1"
  std::string system_state;  ///< "running", "degraded", ...
  std::vector<SystemdUnit> units;
};

/// Which units are reported, and what is remembered between readings. Owner: whoever reads.
struct SystemdMemory {
  std::function<bool(std::string_view name)> wanted;
  std::map<std::string, std::string> service_types;
};

/// Reads everything over `bus`, giving up after `deadline`.
///
/// Units that are not wanted or not loaded come without details. Errors: Unavailable (the bus or
/// the manager), Timeout (deadline). Blocks. Source: org.freedesktop.systemd1(5).
base::Result<SystemdReading> read_systemd(sd_bus* bus, SystemdMemory& memory,
                                          const base::Clock& clock, base::Duration deadline);

/// Returns the number at the front of a version, with one fraction: "252.39-1" -> 252.39.
std::optional<double> systemd_version_number(std::string_view version);

/// Adds the metrics of a reading.
void add_systemd(const SystemdReading& reading,
                 const std::function<bool(std::string_view name)>& wanted, MetricSink& sink);

/// present() is false where the host was not booted by systemd.
std::unique_ptr<Collector> make_systemd_collector(const HostSettings& settings, HostWorld world);

}  // namespace tocsin::agent
