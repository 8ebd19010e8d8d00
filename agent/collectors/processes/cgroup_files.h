// The files of a control group (version 2), as text in and values out. Source: the kernel's
// admin-guide/cgroup-v2.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace tocsin::agent {

/// Reads "key value" lines (cpu.stat, memory.stat, memory.events); lines of another form are
/// passed over. Views are into the text.
std::map<std::string_view, std::uint64_t> parse_keyed(std::string_view text);

/// Reads a file of one number; "max" is nullopt, as is anything else.
std::optional<std::uint64_t> parse_single(std::string_view text);

/// cpu.max: "200000 100000" or "max 100000".
struct CpuMax {
  std::optional<double> cores;  ///< nullopt: no limit.
};
std::optional<CpuMax> parse_cpu_max(std::string_view text);

/// The totals of io.stat, of all devices.
struct IoTotals {
  std::uint64_t read_bytes = 0;
  std::uint64_t write_bytes = 0;
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
};
IoTotals parse_io_stat(std::string_view text);

/// Returns what people call the group of this path: "nginx.service"; the first twelve digits of a
/// container's id ("docker-<id>.scope", "docker/<id>", "libpod-<id>.scope", "cri-containerd-...").
std::string cgroup_name(std::string_view path);

}  // namespace tocsin::agent
