#include "agent/collectors/processes/cgroup_collector.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <array>

#include "agent/collectors/host/pressure.h"
#include "agent/collectors/processes/cgroup_files.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

using model::MetricType;

constexpr std::uint64_t kLookRounds = 4;
constexpr double kMicroseconds = 1e6;

constexpr MetricInfo kCpu{"container_cpu_usage_seconds_total", "CPU seconds used.",
                          MetricType::Counter};
constexpr MetricInfo kCpuUser{"container_cpu_user_seconds_total", "CPU seconds used by programs.",
                              MetricType::Counter};
constexpr MetricInfo kCpuSystem{"container_cpu_system_seconds_total",
                                "CPU seconds used by the kernel for them.", MetricType::Counter};
constexpr MetricInfo kPeriods{"container_cpu_cfs_periods_total",
                              "Periods in which the limit of CPU time applied.",
                              MetricType::Counter};
constexpr MetricInfo kThrottledPeriods{"container_cpu_cfs_throttled_periods_total",
                                       "Periods in which it had to wait because of the limit.",
                                       MetricType::Counter};
constexpr MetricInfo kThrottled{"container_cpu_cfs_throttled_seconds_total",
                                "Seconds it had to wait because of the limit of CPU time.",
                                MetricType::Counter};
constexpr MetricInfo kCores{"container_spec_cpu_cores", "CPUs' time it may use, if limited."};
constexpr MetricInfo kMemory{"container_memory_usage_bytes", "Memory charged, page cache too."};
constexpr MetricInfo kWorking{"container_memory_working_set_bytes",
                              "Memory charged less page cache that can go at once."};
constexpr MetricInfo kAnonymous{"container_memory_rss", "Anonymous memory in bytes."};
constexpr MetricInfo kCache{"container_memory_cache", "Page cache in bytes."};
constexpr MetricInfo kSwap{"container_memory_swap", "Swapped memory in bytes."};
constexpr MetricInfo kLimit{"container_spec_memory_limit_bytes", "Memory limit, if there is one."};
constexpr MetricInfo kHigh{"container_spec_memory_reservation_limit_bytes",
                           "Memory from which on it is slowed down, if set (memory.high)."};
constexpr MetricInfo kMemoryEvents{"container_memory_events_total",
                                   "Times memory ran into high or max, or could not be got.",
                                   MetricType::Counter};
constexpr MetricInfo kOomKills{"container_oom_events_total", "Processes killed for want of memory.",
                               MetricType::Counter};
constexpr MetricInfo kPids{"container_processes", "Processes and threads."};
constexpr MetricInfo kPidsMax{"container_threads_max", "Most of them allowed, if limited."};
constexpr MetricInfo kRead{"container_fs_reads_bytes_total", "Bytes read from disks.",
                           MetricType::Counter};
constexpr MetricInfo kWritten{"container_fs_writes_bytes_total", "Bytes written to disks.",
                              MetricType::Counter};
constexpr MetricInfo kReads{"container_fs_reads_total", "Reads from disks.", MetricType::Counter};
constexpr MetricInfo kWrites{"container_fs_writes_total", "Writes to disks.", MetricType::Counter};
constexpr MetricInfo kFound{"container_groups_found",
                            "Control groups that match; more than the "
                            "limit are left out."};

struct PressureInfo {
  const char* file;
  MetricInfo waiting;
  MetricInfo stalled;
};
constexpr std::array<PressureInfo, 3> kPressure{
    {{"cpu.pressure",
      {"container_pressure_cpu_waiting_seconds_total", "Seconds in which a task waited for a CPU.",
       MetricType::Counter},
      {"container_pressure_cpu_stalled_seconds_total", "Seconds in which all tasks did.",
       MetricType::Counter}},
     {"io.pressure",
      {"container_pressure_io_waiting_seconds_total", "Seconds in which a task waited for a disk.",
       MetricType::Counter},
      {"container_pressure_io_stalled_seconds_total", "Seconds in which all tasks did.",
       MetricType::Counter}},
     {"memory.pressure",
      {"container_pressure_memory_waiting_seconds_total",
       "Seconds in which a task waited for memory.", MetricType::Counter},
      {"container_pressure_memory_stalled_seconds_total", "Seconds in which all tasks did.",
       MetricType::Counter}}}};

/// What a file of one number is told as.
struct SingleFile {
  const char* file;
  const MetricInfo* metric;
};
constexpr std::array<SingleFile, 5> kSingleFiles{{{"memory.swap.current", &kSwap},
                                                  {"memory.max", &kLimit},
                                                  {"memory.high", &kHigh},
                                                  {"pids.current", &kPids},
                                                  {"pids.max", &kPidsMax}}};

double number(std::uint64_t value) {
  return static_cast<double>(value);
}

class CgroupCollector final : public Collector {
 public:
  CgroupCollector(const CgroupSettings& settings, const HostPaths& paths)
      : settings_(settings), root_(paths.sys + "/fs/cgroup") {}

  std::string_view name() const override { return "cgroups"; }

  base::Result<void> collect(MetricSink& sink) override {
    if (!path_exists(root_ + "/cgroup.controllers")) {
      return base::error(base::ErrorCode::NotFound,
                         fmt::format("'{}' is no tree of control groups of version 2: boot with "
                                     "systemd.unified_cgroup_hierarchy=1, or remove [cgroups]",
                                     root_));
    }
    if (round_++ % kLookRounds == 0) look();
    sink.add(kFound, number(found_));
    for (const std::string& path : groups_) add(sink, path);
    return base::ok();
  }

 private:
  void look() {
    std::vector<std::string> all;
    for (const std::string& glob : settings_.include) expand("", glob, all);
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    std::erase_if(all, [this](const std::string& path) {
      return std::any_of(settings_.exclude.begin(), settings_.exclude.end(),
                         [&](const std::string& glob) {
                           return ::fnmatch(glob.c_str(), path.c_str(), FNM_PATHNAME) == 0;
                         });
    });
    found_ = all.size();
    if (all.size() > settings_.groups_max) all.resize(settings_.groups_max);
    groups_ = std::move(all);
  }

  // One part of the glob after the other, so that only folders that may match are opened.
  void expand(const std::string& folder, std::string_view glob, std::vector<std::string>& out) {
    constexpr std::size_t kPathsMax = 10'000;
    const std::size_t slash = glob.find('/');
    const std::string part(glob.substr(0, slash));
    const bool last = slash == std::string_view::npos;
    const auto enter = [&](const std::string& name) {
      const std::string path = folder.empty() ? name : folder + "/" + name;
      if (!last) {
        expand(path, glob.substr(slash + 1), out);
      } else if (out.size() < kPathsMax &&
                 path_exists(root_ + "/" + path + "/cgroup.controllers")) {
        out.push_back(path);
      }
    };
    if (part.find_first_of("*?[") == std::string::npos) {
      enter(part);
      return;
    }
    for (const std::string& name : names_in(root_ + "/" + folder)) {
      if (::fnmatch(part.c_str(), name.c_str(), FNM_PERIOD) == 0 && base::is_utf8(name)) {
        enter(name);
      }
    }
  }

  void add(MetricSink& sink, const std::string& path) {
    const Folder folder(root_ + "/" + path);
    if (!folder) return;  // it ended
    const std::string id = "/" + path;
    const std::string name = cgroup_name(path);
    const std::array<model::LabelView, 2> labels{{{"id", id}, {"name", name}}};
    const auto tell = [&](const MetricInfo& metric, double value) {
      sink.add(metric, labels, value);
    };
    add_cpu(folder, tell);
    add_memory(folder, sink, labels, tell);
    for (const SingleFile& single : kSingleFiles) {
      const auto text = reader_.attribute(folder, single.file);
      if (const auto value = text ? parse_single(*text) : std::nullopt) {
        tell(*single.metric, number(*value));
      }
    }
    if (const auto text = reader_.attribute(folder, "io.stat")) {
      const IoTotals io = parse_io_stat(*text);
      tell(kRead, number(io.read_bytes));
      tell(kWritten, number(io.write_bytes));
      tell(kReads, number(io.reads));
      tell(kWrites, number(io.writes));
    }
    for (const PressureInfo& info : kPressure) {
      const auto text = reader_.attribute(folder, info.file);
      const auto pressure =
          text ? parse_pressure(*text) : base::error(base::ErrorCode::NotFound, "");
      if (!pressure) continue;
      if (pressure->some_us) tell(info.waiting, number(*pressure->some_us) / kMicroseconds);
      if (pressure->full_us) tell(info.stalled, number(*pressure->full_us) / kMicroseconds);
    }
  }

  void add_cpu(const Folder& folder, const auto& tell) {
    if (const auto text = reader_.attribute(folder, "cpu.stat")) {
      const auto values = parse_keyed(*text);
      const auto seconds = [&](const char* key, const MetricInfo& metric) {
        const auto found = values.find(key);
        if (found != values.end()) tell(metric, number(found->second) / kMicroseconds);
      };
      seconds("usage_usec", kCpu);
      seconds("user_usec", kCpuUser);
      seconds("system_usec", kCpuSystem);
      seconds("throttled_usec", kThrottled);
      const auto periods = values.find("nr_periods");
      if (periods != values.end()) tell(kPeriods, number(periods->second));
      const auto throttled = values.find("nr_throttled");
      if (throttled != values.end()) tell(kThrottledPeriods, number(throttled->second));
    }
    const auto text = reader_.attribute(folder, "cpu.max");
    const auto limit = text ? parse_cpu_max(*text) : std::nullopt;
    if (limit && limit->cores) tell(kCores, *limit->cores);
  }

  void add_memory(const Folder& folder, MetricSink& sink, std::span<const model::LabelView> labels,
                  const auto& tell) {
    const auto current_text = reader_.attribute(folder, "memory.current");
    const auto current = current_text ? parse_single(*current_text) : std::nullopt;
    if (current) tell(kMemory, number(*current));
    if (const auto text = reader_.attribute(folder, "memory.stat")) {
      const auto values = parse_keyed(*text);
      const auto value = [&](const char* key) {
        const auto found = values.find(key);
        return found == values.end() ? std::uint64_t{0} : found->second;
      };
      tell(kAnonymous, number(value("anon")));
      tell(kCache, number(value("file")));
      const std::uint64_t idle = value("inactive_file");
      if (current) tell(kWorking, number(*current > idle ? *current - idle : 0));
    }
    if (const auto text = reader_.attribute(folder, "memory.events")) {
      for (const auto& [event, count] : parse_keyed(*text)) {
        if (event == "oom_kill") {
          tell(kOomKills, number(count));
        } else if (event == "high" || event == "max" || event == "oom") {
          sink.add(kMemoryEvents,
                   std::array<model::LabelView, 3>{labels[0], labels[1], {"event", event}},
                   number(count));
        }
      }
    }
  }

  CgroupSettings settings_;
  std::string root_;
  FileReader reader_;
  std::vector<std::string> groups_;  // paths below the root, without a slash before
  std::size_t found_ = 0;
  std::uint64_t round_ = 0;
};

}  // namespace

std::unique_ptr<Collector> make_cgroup_collector(const CgroupSettings& settings,
                                                 const HostPaths& paths) {
  return std::make_unique<CgroupCollector>(settings, paths);
}

}  // namespace tocsin::agent
