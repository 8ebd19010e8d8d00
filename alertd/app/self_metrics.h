// The daemon's own metrics, written into its own store: rules watch the daemon as they watch
// everything.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "common/base/executor.h"
#include "common/base/metrics.h"
#include "common/model/appender.h"
#include "common/model/metadata_table.h"

namespace tocsin::alertd {

/// Appends every own metric each `interval`, labelled job="tocsin-alertd" and host, instance =
/// `host`. Owner: `executor`'s thread. Lifecycle: start, stop; both on any thread, stop before
/// destruction.
class SelfMetrics {
 public:
  SelfMetrics(base::Metrics& metrics, model::Appender& appender, base::Executor& executor,
              std::string host);

  /// Where the types of the own metrics are told; before start(), outlives this.
  void describe_in(model::MetadataTable& table) { metadata_ = &table; }
  void start(base::Duration interval);
  void stop();

 private:
  void round();
  void describe() const;

  base::Metrics& metrics_;
  model::Appender& appender_;
  base::Executor& executor_;
  std::string host_;
  model::MetadataTable* metadata_ = nullptr;
  base::Duration interval_{0};
  base::Gauge started_;
  base::Gauge cpu_seconds_;
  base::Gauge resident_bytes_;
  // Tasks posted by this object that come too late find it gone.
  std::shared_ptr<std::atomic<bool>> alive_ = std::make_shared<std::atomic<bool>>(true);
};

}  // namespace tocsin::alertd
