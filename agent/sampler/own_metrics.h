// What the agent says about itself in each round.
#pragma once

#include "agent/sampler/round_sink.h"
#include "common/base/metrics.h"

namespace tocsin::agent {

struct OwnMetrics {
  base::WallTime timestamp;
  double started_seconds = 0;  ///< Since 1970.
  const base::Metrics& metrics;
};

/// Adds heartbeat, build, start time, CPU and memory of this process, and every metric of the
/// registry.
void add_own_metrics(MetricSink& sink, const OwnMetrics& own);

}  // namespace tocsin::agent
