// Collector "hwmon": temperatures, fans, voltages and currents that the board and its drivers
// measure.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/reader.h"

namespace tocsin::agent {

/// The name of a file of a chip, taken apart: "temp1_crit_alarm" is temp, 1, "crit_alarm".
struct HwmonFile {
  std::string_view kind;    ///< temp, fan, in, curr, power, energy, humidity.
  std::string_view sensor;  ///< "temp1".
  std::string_view item;    ///< "input", "crit", "label" ...; empty if there is none.
};

/// Returns nullopt for files that are no reading of a sensor. Pure.
/// Source: the kernel's hwmon/sysfs-interface.
std::optional<HwmonFile> parse_hwmon_file(std::string_view name);

/// present() is false without a chip. At most 500 readings of a round are told of.
std::unique_ptr<Collector> make_hwmon_collector(const HostPaths& paths);

}  // namespace tocsin::agent
