#include "agent/collectors/host/cpu.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

using model::MetricType;

constexpr MetricInfo kSeconds{"node_cpu_seconds_total", "Seconds each CPU spent in each mode.",
                              MetricType::Counter};
constexpr MetricInfo kGuestSeconds{
    "node_cpu_guest_seconds_total",
    "Seconds each CPU spent running guests, also part of user and nice.", MetricType::Counter};
constexpr MetricInfo kCoreThrottles{"node_cpu_core_throttles_total",
                                    "Times a core was slowed down because of heat.",
                                    MetricType::Counter};
constexpr MetricInfo kPackageThrottles{"node_cpu_package_throttles_total",
                                       "Times a CPU package was slowed down because of heat.",
                                       MetricType::Counter};
constexpr MetricInfo kIsolated{"node_cpu_isolated",
                               "1 for each CPU that the scheduler leaves alone (isolcpus).",
                               MetricType::Gauge};

constexpr std::array<std::string_view, 8> kModes{"user",   "nice", "system",  "idle",
                                                 "iowait", "irq",  "softirq", "steal"};
constexpr std::uint64_t kJumpBackTicks = 300;

// One counter file of a core or package.
struct Throttle {
  std::string package;
  std::string core;  // empty for a package
  std::string path;
};

class CpuCollector final : public Collector {
 public:
  explicit CpuCollector(const HostPaths& paths)
      : stat_path_(paths.proc + "/stat"), cpu_folder_(paths.sys + "/devices/system/cpu") {
    if (const auto text = reader_.attribute(cpu_folder_ + "/isolated")) {
      if (auto list = parse_cpu_list(*text)) isolated_ = std::move(*list);
    }
  }

  std::string_view name() const override { return "cpu"; }

  base::Result<void> collect(MetricSink& sink) override {
    TC_TRY(const std::string_view text, reader_.read(stat_path_));
    TC_TRY(const KernelStat stat, parse_kernel_stat(text));
    for (const CpuTimes& times : history_.merge(stat.cpus)) {
      const std::string cpu = std::to_string(times.cpu);
      for (std::size_t i = 0; i < kModes.size(); ++i) {
        sink.add(kSeconds, {{"cpu", cpu}, {"mode", kModes[i]}}, seconds(times, i));
      }
      sink.add(kGuestSeconds, {{"cpu", cpu}, {"mode", "user"}}, seconds(times, kCpuGuest));
      sink.add(kGuestSeconds, {{"cpu", cpu}, {"mode", "nice"}}, seconds(times, kCpuGuestNice));
    }
    for (const std::uint32_t cpu : isolated_) {
      sink.add(kIsolated, {{"cpu", std::to_string(cpu)}}, 1);
    }
    add_throttles(sink, stat.cpus.size());
    return base::ok();
  }

 private:
  static double seconds(const CpuTimes& times, std::size_t mode) {
    return static_cast<double>(times.ticks[mode]) / kTicksPerSecond;
  }

  void add_throttles(MetricSink& sink, std::size_t cpu_count) {
    // Which cores there are changes only with hot-plug; virtual machines have no such files at all.
    if (cpu_count != throttles_for_) find_throttles();
    throttles_for_ = cpu_count;
    for (const Throttle& throttle : throttles_) {
      const auto text = reader_.attribute(throttle.path);
      const auto count = text ? base::parse_u64(*text) : std::nullopt;
      if (!count) continue;
      if (throttle.core.empty()) {
        sink.add(kPackageThrottles, {{"package", throttle.package}}, static_cast<double>(*count));
      } else {
        sink.add(kCoreThrottles, {{"core", throttle.core}, {"package", throttle.package}},
                 static_cast<double>(*count));
      }
    }
  }

  void find_throttles() {
    throttles_.clear();
    std::set<std::pair<std::string, std::string>> seen;
    std::vector<std::string> names = names_in(cpu_folder_);
    std::sort(names.begin(), names.end());
    for (const std::string& entry : names) {
      if (!entry.starts_with("cpu") || !base::parse_u64(std::string_view(entry).substr(3)))
        continue;
      const std::string folder = cpu_folder_ + "/" + entry;
      const std::string core_file = folder + "/thermal_throttle/core_throttle_count";
      const std::string package_file = folder + "/thermal_throttle/package_throttle_count";
      const std::string package = text_of(folder + "/topology/physical_package_id");
      const std::string core = text_of(folder + "/topology/core_id");
      if (package.empty() || core.empty() || !path_exists(core_file)) continue;
      if (seen.emplace(package, core).second) throttles_.push_back({package, core, core_file});
      if (seen.emplace(package, "").second) throttles_.push_back({package, "", package_file});
    }
  }

  std::string text_of(const std::string& path) {
    return std::string(reader_.attribute(path).value_or(""));
  }

  std::string stat_path_;
  std::string cpu_folder_;
  FileReader reader_;
  CpuHistory history_;
  std::vector<std::uint32_t> isolated_;
  std::vector<Throttle> throttles_;
  std::size_t throttles_for_ = 0;
};

}  // namespace

const std::vector<CpuTimes>& CpuHistory::merge(const std::vector<CpuTimes>& reading) {
  const bool same_cpus =
      std::equal(times_.begin(), times_.end(), reading.begin(), reading.end(),
                 [](const CpuTimes& a, const CpuTimes& b) { return a.cpu == b.cpu; });
  if (!same_cpus) {
    times_ = reading;
    return times_;
  }
  for (std::size_t i = 0; i < times_.size(); ++i) {
    CpuTimes& old = times_[i];
    const CpuTimes& now = reading[i];
    if (now.ticks[kCpuIdle] + kJumpBackTicks <= old.ticks[kCpuIdle]) {
      old = now;
      continue;
    }
    for (std::size_t mode = 0; mode < kCpuModes; ++mode) {
      old.ticks[mode] = std::max(old.ticks[mode], now.ticks[mode]);
    }
  }
  return times_;
}

base::Result<std::vector<std::uint32_t>> parse_cpu_list(std::string_view text) {
  constexpr std::uint64_t kCpusMax = 65536;
  std::vector<std::uint32_t> cpus;
  if (base::trim(text).empty()) return cpus;
  for (const std::string_view part : base::split(base::trim(text), ',')) {
    const std::size_t dash = part.find('-');
    const auto first = base::parse_u64(part.substr(0, dash));
    const auto last =
        dash == std::string_view::npos ? first : base::parse_u64(part.substr(dash + 1));
    if (!first || !last || *first > *last || *last >= kCpusMax) {
      return malformed("CPU list", text);
    }
    for (std::uint64_t cpu = *first; cpu <= *last; ++cpu) {
      cpus.push_back(static_cast<std::uint32_t>(cpu));
    }
  }
  return cpus;
}

std::unique_ptr<Collector> make_cpu_collector(const HostPaths& paths) {
  return std::make_unique<CpuCollector>(paths);
}

}  // namespace tocsin::agent
