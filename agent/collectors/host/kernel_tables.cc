#include "agent/collectors/host/kernel_tables.h"

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

using model::MetricType;

constexpr MetricInfo kProcessed{"node_softnet_processed_total", "Packets a CPU took from devices.",
                                MetricType::Counter};
constexpr MetricInfo kDropped{"node_softnet_dropped_total",
                              "Packets dropped because a CPU's queue was full.",
                              MetricType::Counter};
constexpr MetricInfo kSqueezed{"node_softnet_times_squeezed_total",
                               "Times a CPU stopped with packets left.", MetricType::Counter};
constexpr MetricInfo kArpEntries{"node_arp_entries", "Entries of the ARP table by device.",
                                 MetricType::Gauge};
constexpr MetricInfo kEntropy{"node_entropy_available_bits", "Entropy ready for use.",
                              MetricType::Gauge};
constexpr MetricInfo kEntropyPool{"node_entropy_pool_size_bits", "Size of the entropy pool.",
                                  MetricType::Gauge};

class SoftnetCollector final : public Collector {
 public:
  explicit SoftnetCollector(const HostPaths& paths) : path_(paths.proc + "/net/softnet_stat") {}

  std::string_view name() const override { return "softnet"; }
  bool present() const override { return path_exists(path_); }

  base::Result<void> collect(MetricSink& sink) override {
    TC_TRY(const std::string_view text, reader_.read(path_));
    TC_TRY(const std::vector<SoftnetStat> stats, parse_softnet(text));
    for (const SoftnetStat& stat : stats) {
      const std::string cpu = std::to_string(stat.cpu);
      sink.add(kProcessed, {{"cpu", cpu}}, static_cast<double>(stat.processed));
      sink.add(kDropped, {{"cpu", cpu}}, static_cast<double>(stat.dropped));
      sink.add(kSqueezed, {{"cpu", cpu}}, static_cast<double>(stat.squeezed));
    }
    return base::ok();
  }

 private:
  std::string path_;
  FileReader reader_;
};

class ArpCollector final : public Collector {
 public:
  explicit ArpCollector(const HostPaths& paths) : path_(paths.proc + "/net/arp") {}

  std::string_view name() const override { return "arp"; }
  bool present() const override { return path_exists(path_); }

  base::Result<void> collect(MetricSink& sink) override {
    TC_TRY(const std::string_view text, reader_.read(path_));
    TC_TRY(const auto entries, parse_arp(text));
    for (const auto& [device, count] : entries) {
      sink.add(kArpEntries, {{"device", device}}, static_cast<double>(count));
    }
    return base::ok();
  }

 private:
  std::string path_;
  FileReader reader_;
};

class EntropyCollector final : public Collector {
 public:
  explicit EntropyCollector(const HostPaths& paths) : folder_(paths.proc + "/sys/kernel/random/") {}

  std::string_view name() const override { return "entropy"; }
  bool present() const override { return path_exists(folder_); }

  base::Result<void> collect(MetricSink& sink) override {
    TC_TRY(add(sink, kEntropy, "entropy_avail"));
    return add(sink, kEntropyPool, "poolsize");
  }

 private:
  base::Result<void> add(MetricSink& sink, const MetricInfo& metric, std::string_view file) {
    const std::string path = folder_ + std::string(file);
    TC_TRY(const std::string_view text, reader_.read(path));
    const auto value = base::parse_u64(base::trim(text));
    if (!value) return malformed(path, text);
    sink.add(metric, static_cast<double>(*value));
    return base::ok();
  }

  std::string folder_;
  FileReader reader_;
};

}  // namespace

base::Result<std::vector<SoftnetStat>> parse_softnet(std::string_view text) {
  constexpr int kCpuColumn = 12;
  std::vector<SoftnetStat> stats;
  std::string_view bad;
  base::for_each_line(text, [&](std::string_view line) {
    Fields fields(line);
    if (fields.at_end() || !bad.empty()) return;
    const auto processed = parse_hex(fields.next());
    const auto dropped = parse_hex(fields.next());
    const auto squeezed = parse_hex(fields.next());
    if (!processed || !dropped || !squeezed) {
      bad = line;
      return;
    }
    for (int column = 3; column < kCpuColumn; ++column) fields.next();
    const auto cpu = parse_hex(fields.next());
    stats.push_back({cpu.value_or(stats.size()), *processed, *dropped, *squeezed});
  });
  if (!bad.empty()) return malformed("/proc/net/softnet_stat", bad);
  return stats;
}

base::Result<std::map<std::string, std::uint64_t>> parse_arp(std::string_view text) {
  std::map<std::string, std::uint64_t> entries;
  std::string_view bad;
  bool header = true;
  base::for_each_line(text, [&](std::string_view line) {
    if (header || base::trim(line).empty() || !bad.empty()) {
      header = false;
      return;
    }
    Fields fields(line);
    std::string_view device;
    for (int column = 0; column < 6; ++column) device = fields.next();
    if (device.empty()) {
      bad = line;
      return;
    }
    ++entries[std::string(device)];
  });
  if (!bad.empty()) return malformed("/proc/net/arp", bad);
  return entries;
}

std::unique_ptr<Collector> make_softnet_collector(const HostPaths& paths) {
  return std::make_unique<SoftnetCollector>(paths);
}
std::unique_ptr<Collector> make_arp_collector(const HostPaths& paths) {
  return std::make_unique<ArpCollector>(paths);
}
std::unique_ptr<Collector> make_entropy_collector(const HostPaths& paths) {
  return std::make_unique<EntropyCollector>(paths);
}

}  // namespace tocsin::agent
