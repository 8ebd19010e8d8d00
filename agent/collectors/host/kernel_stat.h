// /proc/stat: CPU time by mode, interrupts, context switches, forks. Feeds the collectors cpu and
// stat.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace tocsin::agent {

inline constexpr std::size_t kCpuModes = 10;
/// Order of the columns of a cpu line.
enum CpuMode : std::size_t {
  kCpuUser,
  kCpuNice,
  kCpuSystem,
  kCpuIdle,
  kCpuIowait,
  kCpuIrq,
  kCpuSoftirq,
  kCpuSteal,
  kCpuGuest,
  kCpuGuestNice
};
/// USER_HZ, which Linux fixes at 100 for everything it shows to programs.
inline constexpr double kTicksPerSecond = 100.0;

/// One CPU's time since boot, in ticks; columns that an old kernel lacks are 0.
struct CpuTimes {
  std::uint32_t cpu = 0;
  std::array<std::uint64_t, kCpuModes> ticks{};
};

struct KernelStat {
  std::vector<CpuTimes> cpus;  ///< In the order of the file; the sum line is left out.
  std::uint64_t interrupts = 0;
  std::uint64_t context_switches = 0;
  std::uint64_t boot_time = 0;  ///< Unix time in seconds.
  std::uint64_t forks = 0;
  std::uint64_t running = 0;
  std::uint64_t blocked = 0;
};

/// Parses the text of /proc/stat. Unknown lines are skipped, missing ones leave 0.
///
/// Errors: InvalidArgument if a known line has no number, a CPU fewer than four, or no CPU is
/// listed. Pure. Source: proc(5).
base::Result<KernelStat> parse_kernel_stat(std::string_view text);

}  // namespace tocsin::agent
