// Collectors "uname" and "os": the kernel's and the distribution's names and versions.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/reader.h"

namespace tocsin::agent {

/// Parses os-release: KEY=value lines, values bare or quoted as in a shell. Bad lines are skipped.
/// Pure. Source: os-release(5).
std::map<std::string, std::string, std::less<>> parse_os_release(std::string_view text);

/// Returns major.minor of a VERSION_ID as a number ("22.04.1" -> 22.04); nullopt if it starts with
/// no digit.
std::optional<double> os_version_number(std::string_view version_id);

std::unique_ptr<Collector> make_uname_collector();
std::unique_ptr<Collector> make_os_collector(const HostPaths& paths);

}  // namespace tocsin::agent
