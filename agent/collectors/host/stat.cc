#include "agent/collectors/host/stat.h"

#include "agent/collectors/host/kernel_stat.h"

namespace tocsin::agent {
namespace {

using model::MetricType;

constexpr MetricInfo kInterrupts{"node_intr_total", "Interrupts served since boot.",
                                 MetricType::Counter};
constexpr MetricInfo kContextSwitches{"node_context_switches_total",
                                      "Switches between tasks since boot.", MetricType::Counter};
constexpr MetricInfo kForks{"node_forks_total", "Processes and threads started since boot.",
                            MetricType::Counter};
constexpr MetricInfo kBootTime{"node_boot_time_seconds", "When the host booted, in Unix time.",
                               MetricType::Gauge};
constexpr MetricInfo kRunning{"node_procs_running", "Tasks that run or could run.",
                              MetricType::Gauge};
constexpr MetricInfo kBlocked{"node_procs_blocked", "Tasks that wait for input or output.",
                              MetricType::Gauge};

class StatCollector final : public Collector {
 public:
  explicit StatCollector(const HostPaths& paths) : path_(paths.proc + "/stat") {}

  std::string_view name() const override { return "stat"; }

  base::Result<void> collect(MetricSink& sink) override {
    TC_TRY(const std::string_view text, reader_.read(path_));
    TC_TRY(const KernelStat stat, parse_kernel_stat(text));
    sink.add(kInterrupts, static_cast<double>(stat.interrupts));
    sink.add(kContextSwitches, static_cast<double>(stat.context_switches));
    sink.add(kForks, static_cast<double>(stat.forks));
    sink.add(kBootTime, static_cast<double>(stat.boot_time));
    sink.add(kRunning, static_cast<double>(stat.running));
    sink.add(kBlocked, static_cast<double>(stat.blocked));
    return base::ok();
  }

 private:
  std::string path_;
  FileReader reader_;
};

}  // namespace

std::unique_ptr<Collector> make_stat_collector(const HostPaths& paths) {
  return std::make_unique<StatCollector>(paths);
}

}  // namespace tocsin::agent
