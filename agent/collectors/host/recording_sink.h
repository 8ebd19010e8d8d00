// A sink for tests that keeps every sample by its series' text.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/collectors/collector.h"

namespace tocsin::agent {

/// Keeps what a collector adds; labels sorted by name, those with an empty value left out.
class RecordingSink final : public MetricSink {
 public:
  using MetricSink::add;
  void add(const MetricInfo& metric, std::span<const model::LabelView> labels,
           double value) override {
    std::vector<model::LabelView> sorted(labels.begin(), labels.end());
    std::sort(sorted.begin(), sorted.end());
    std::string key(metric.name);
    for (const model::LabelView& label : sorted) {
      if (label.value.empty()) continue;
      key.append(",").append(label.name).append("=").append(label.value);
    }
    repeated = repeated || samples.contains(key);
    samples[key] = value;
    types[std::string(metric.name)] = metric.type;
  }

  /// Returns the value of "name,label=value,..."; nullopt if it was not added.
  std::optional<double> value(const std::string& series) const {
    const auto it = samples.find(series);
    return it == samples.end() ? std::nullopt : std::optional(it->second);
  }
  bool has_name(const std::string& name) const { return types.contains(name); }

  std::map<std::string, double> samples;
  std::map<std::string, model::MetricType> types;
  bool repeated = false;  ///< The same series came twice.
};

}  // namespace tocsin::agent
