#include "agent/collectors/host/kernel_stat.h"

#include "agent/collectors/host/reader.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr std::string_view kFile = "/proc/stat";

// Returns false if the line is damaged.
bool read_cpu(std::string_view key, Fields& fields, std::vector<CpuTimes>& cpus) {
  const auto number = base::parse_u64(key.substr(3));
  if (!number || *number > UINT32_MAX) return false;
  CpuTimes times;
  times.cpu = static_cast<std::uint32_t>(*number);
  for (std::size_t i = 0; i < kCpuModes; ++i) {
    if (fields.at_end() && i > kCpuIdle) break;
    const auto ticks = fields.next_number();
    if (!ticks) return false;
    times.ticks[i] = *ticks;
  }
  cpus.push_back(times);
  return true;
}

}  // namespace

base::Result<KernelStat> parse_kernel_stat(std::string_view text) {
  KernelStat stat;
  std::string_view bad;
  base::for_each_line(text, [&](std::string_view line) {
    if (!bad.empty()) return;
    Fields fields(line);
    const std::string_view key = fields.next();
    if (key.starts_with("cpu")) {
      if (key.size() > 3 && !read_cpu(key, fields, stat.cpus)) bad = line;
      return;
    }
    std::uint64_t* target = key == "intr"            ? &stat.interrupts
                            : key == "ctxt"          ? &stat.context_switches
                            : key == "btime"         ? &stat.boot_time
                            : key == "processes"     ? &stat.forks
                            : key == "procs_running" ? &stat.running
                            : key == "procs_blocked" ? &stat.blocked
                                                     : nullptr;
    if (target == nullptr) return;
    const auto number = fields.next_number();
    if (!number) {
      bad = line;
      return;
    }
    *target = *number;
  });
  if (!bad.empty()) return malformed(kFile, bad);
  if (stat.cpus.empty()) return malformed(kFile, "no CPU listed");
  return stat;
}

}  // namespace tocsin::agent
