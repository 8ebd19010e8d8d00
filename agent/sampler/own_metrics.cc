#include "agent/sampler/own_metrics.h"

#include <vector>

#include "common/base/process.h"

namespace tocsin::agent {
namespace {

using model::MetricType;

constexpr MetricInfo kHeartbeat{"tocsin_agent_heartbeat_timestamp_seconds",
                                "Time of the latest round by this host's clock."};
constexpr MetricInfo kBuild{"tocsin_agent_build_info", "Always 1; the version is a label."};
constexpr MetricInfo kStart{"tocsin_agent_start_time_seconds", "When the agent was started."};
constexpr MetricInfo kCpu{"tocsin_agent_process_cpu_seconds_total",
                          "CPU time of the agent, user and system.", MetricType::Counter};
constexpr MetricInfo kMemory{"tocsin_agent_process_resident_memory_bytes",
                             "Resident memory of the agent."};

}  // namespace

void add_own_metrics(MetricSink& sink, const OwnMetrics& own) {
  sink.add(kHeartbeat, base::to_seconds(own.timestamp));
  sink.add(kBuild, {{"version", TOCSIN_VERSION}}, 1);
  sink.add(kStart, own.started_seconds);
  sink.add(kCpu, base::process_cpu_seconds());
  sink.add(kMemory, static_cast<double>(base::process_resident_bytes()));
  std::vector<model::LabelView> labels;
  for (const base::MetricPoint& point : own.metrics.points()) {
    labels.clear();
    for (const auto& [name, value] : point.labels) labels.push_back({name, value});
    const MetricType type =
        point.name.ends_with("_total") ? MetricType::Counter : MetricType::Unknown;
    sink.add({point.name, {}, type}, labels, point.value);
  }
}

}  // namespace tocsin::agent
