// Collector "processes": how many processes and threads there are, and in which state.
//
// One file a process, 10 us each: of all that is read of a host with hundreds of processes, this is
// the most. A scan of more than kScanBudget processes is therefore repeated only as often as keeps
// the average at about that many a round; in between, the last scan's numbers are reported again.
// A host with 250 processes is scanned once a minute at rounds of ten seconds.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/reader.h"

namespace tocsin::agent {

inline constexpr std::size_t kScanBudget = 50;

struct ProcessStat {
  char state = '?';
  std::uint64_t threads = 0;
};

/// Parses the text of /proc/<pid>/stat. The command in brackets may hold anything, also brackets
/// and line ends. nullopt if state or thread count is missing. Pure. Source: proc(5).
std::optional<ProcessStat> parse_process_stat(std::string_view text);

std::unique_ptr<Collector> make_processes_collector(const HostPaths& paths);

}  // namespace tocsin::agent
