// The metrics of one rule group. Internal to the folder.
#pragma once

#include "alertd/ruler/group.h"

namespace tocsin::ruler {

struct Group::Instruments {
  Instruments(base::Metrics& metrics, const base::MetricLabels& labels);

  base::Counter evaluations, failures, iterations, missed, clock_steps, append_failures,
      samples_refused, template_failures, alerts_sent, alerts_dropped, alerts_merged, arrivals;
  base::Gauge last_evaluation, last_duration, interval, failing;
  base::Histogram duration;
};

}  // namespace tocsin::ruler
