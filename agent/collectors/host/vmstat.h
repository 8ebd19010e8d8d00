// Collector "vmstat": the fields of /proc/vmstat that say something about paging and the OOM
// killer.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/reader.h"

namespace tocsin::agent {

/// One line of /proc/vmstat; the name is a view into it.
struct VmstatField {
  std::string_view name;
  double value = 0;
};

/// Parses one line, e.g. "pgfault 1234". nullopt if it is not a name and a number.
std::optional<VmstatField> parse_vmstat_line(std::string_view line);

/// Returns whether the field is collected: oom_kill, pgpg*, pswp*, and pg...fault.
bool is_wanted_vmstat_field(std::string_view name);

std::unique_ptr<Collector> make_vmstat_collector(const HostPaths& paths);

}  // namespace tocsin::agent
