// How a queue and its sender call themselves: the prefix and labels of their metrics, their place
// in the log, and who receives.
#pragma once

#include <string>
#include <string_view>

#include "common/base/metrics.h"

namespace tocsin::spool {

struct QueueNames {
  std::string prefix = "tocsin_agent_";  ///< Of every metric.
  base::MetricLabels labels{};           ///< Of every metric.
  std::string log = "agent/spool";       ///< Component in the log.
  std::string receiver = "alertd";       ///< In the help of metrics.

  std::string metric(std::string_view name) const { return prefix + std::string(name); }
  base::MetricLabels with(const std::string& name, const std::string& value) const {
    base::MetricLabels all = labels;
    all[name] = value;
    return all;
  }
};

}  // namespace tocsin::spool
