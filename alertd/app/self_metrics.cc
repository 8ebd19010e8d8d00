#include "alertd/app/self_metrics.h"

#include "common/base/process.h"

namespace tocsin::alertd {

SelfMetrics::SelfMetrics(base::Metrics& metrics, model::Appender& appender,
                         base::Executor& executor, std::string host)
    : metrics_(metrics),
      appender_(appender),
      executor_(executor),
      host_(std::move(host)),
      started_(metrics.gauge("tocsin_alertd_start_time_seconds", "When this process started.")),
      cpu_seconds_(metrics.gauge("tocsin_alertd_process_cpu_seconds",
                                 "CPU time used so far, user and system.")),
      resident_bytes_(
          metrics.gauge("tocsin_alertd_process_resident_memory_bytes", "Resident memory.")) {
  metrics
      .gauge("tocsin_alertd_build_info", "Constant 1; the version is a label.",
             {{"version", TOCSIN_VERSION}})
      .set(1);
}

void SelfMetrics::start(base::Duration interval) {
  interval_ = interval;
  started_.set(base::to_seconds(executor_.clock().wall()));
  executor_.post([this, alive = alive_] {
    if (*alive) round();
  });
}

void SelfMetrics::stop() {
  *alive_ = false;
}

void SelfMetrics::describe() const {
  if (metadata_ == nullptr) return;
  const std::vector<base::MetricFamily> families = metrics_.families();
  std::vector<model::MetricMetadata> metadata{
      {"ALERTS", model::MetricType::Gauge, "Pending and firing alerts: constant 1.", ""},
      {"ALERTS_FOR_STATE", model::MetricType::Gauge, "Since when each alert is active.", ""}};
  for (const base::MetricFamily& family : families) {
    metadata.push_back({family.name,
                        model::parse_metric_type(family.type).value_or(model::MetricType::Unknown),
                        family.help, ""});
  }
  metadata_->note(metadata);
}

void SelfMetrics::round() {
  describe();
  cpu_seconds_.set(base::process_cpu_seconds());
  resident_bytes_.set(static_cast<double>(base::process_resident_bytes()));
  auto batch = std::make_shared<model::WriteBatch>();
  const std::int64_t now_ms = base::to_ms(executor_.clock().wall());
  for (const base::MetricPoint& point : metrics_.points()) {
    model::LabelsBuilder labels;
    // The point's own labels win: tocsin_alertd_agent_last_seen_timestamp_seconds names other
    // hosts.
    labels.set("job", "tocsin-alertd").set("host", host_).set("instance", host_);
    for (const auto& [name, value] : point.labels) labels.set(name, value);
    if (point.labels.contains("host") && !point.labels.contains("instance")) {
      labels.set("instance", point.labels.at("host"));
    }
    labels.set(model::kMetricName, point.name);
    batch->add(labels.build(), {now_ms, point.value});
  }
  // A refused round is a gap in our own curves; the store counts it and has said why.
  appender_.append(std::move(batch), [](base::Result<model::AppendOutcome>) {});
  executor_.post_after(interval_, [this, alive = alive_] {
    if (*alive) round();
  });
}

}  // namespace tocsin::alertd
