#include "agent/collectors/host/pressure.h"

#include <array>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

using model::MetricType;

constexpr MetricInfo kCpuWaiting{"node_pressure_cpu_waiting_seconds_total",
                                 "Seconds in which some task waited for a CPU.",
                                 MetricType::Counter};
constexpr MetricInfo kIoWaiting{"node_pressure_io_waiting_seconds_total",
                                "Seconds in which some task waited for input or output.",
                                MetricType::Counter};
constexpr MetricInfo kIoStalled{"node_pressure_io_stalled_seconds_total",
                                "Seconds in which every task waited for input or output.",
                                MetricType::Counter};
constexpr MetricInfo kMemoryWaiting{"node_pressure_memory_waiting_seconds_total",
                                    "Seconds in which some task waited for memory.",
                                    MetricType::Counter};
constexpr MetricInfo kMemoryStalled{"node_pressure_memory_stalled_seconds_total",
                                    "Seconds in which every task waited for memory.",
                                    MetricType::Counter};

struct Resource {
  std::string_view file;
  const MetricInfo* waiting;
  const MetricInfo* stalled;  // nullptr: "full" means nothing for the CPU of a whole host
};
constexpr std::array<Resource, 3> kResources{
    {{"/pressure/cpu", &kCpuWaiting, nullptr},
     {"/pressure/io", &kIoWaiting, &kIoStalled},
     {"/pressure/memory", &kMemoryWaiting, &kMemoryStalled}}};

double seconds(std::uint64_t us) {
  return static_cast<double>(us) / 1000.0 / 1000.0;
}

class PressureCollector final : public Collector {
 public:
  explicit PressureCollector(const HostPaths& paths) : proc_(paths.proc) {}

  std::string_view name() const override { return "pressure"; }
  bool present() const override {
    // The file is there but cannot be read when the kernel was booted with psi=0.
    FileReader reader;
    return reader.attribute(proc_ + "/pressure/cpu").has_value();
  }

  base::Result<void> collect(MetricSink& sink) override {
    for (const Resource& resource : kResources) {
      TC_TRY(const std::string_view text, reader_.read(proc_ + std::string(resource.file)));
      TC_TRY(const Pressure pressure, parse_pressure(text));
      if (pressure.some_us) sink.add(*resource.waiting, seconds(*pressure.some_us));
      if (pressure.full_us && resource.stalled != nullptr) {
        sink.add(*resource.stalled, seconds(*pressure.full_us));
      }
    }
    return base::ok();
  }

 private:
  std::string proc_;
  FileReader reader_;
};

}  // namespace

base::Result<Pressure> parse_pressure(std::string_view text) {
  Pressure pressure;
  std::string_view bad;
  base::for_each_line(text, [&](std::string_view line) {
    Fields fields(line);
    const std::string_view kind = fields.next();
    if (kind != "some" && kind != "full") return;
    std::optional<std::uint64_t> total;
    while (!fields.at_end()) {
      const std::string_view field = fields.next();
      if (field.starts_with("total=")) total = base::parse_u64(field.substr(6));
    }
    if (!total) bad = line;
    (kind == "some" ? pressure.some_us : pressure.full_us) = total;
  });
  if (!bad.empty()) return malformed("/proc/pressure", bad);
  if (!pressure.some_us && !pressure.full_us) return malformed("/proc/pressure", "no totals");
  return pressure;
}

std::unique_ptr<Collector> make_pressure_collector(const HostPaths& paths) {
  return std::make_unique<PressureCollector>(paths);
}

}  // namespace tocsin::agent
