// A round's sink for tests: keeps every sample by its series' text.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/sampler/round_sink.h"

namespace tocsin::agent {

/// Keeps "name,label=value,..." with labels sorted by name; `server` and `broker` are left out.
class RecordingRound final : public RoundSink {
 public:
  using RoundSink::add;
  void add(const MetricInfo& metric, std::span<const model::LabelView> labels,
           double value) override {
    std::vector<model::LabelView> sorted(labels.begin(), labels.end());
    std::sort(sorted.begin(), sorted.end());
    std::string key(metric.name);
    for (const model::LabelView& label : sorted) {
      if (label.value.empty() || label.name == "server" || label.name == "broker") continue;
      key.append(",").append(label.name).append("=").append(label.value);
    }
    repeated = repeated || samples.contains(key);
    samples[key] = value;
  }
  void add_at(const MetricInfo& metric, std::span<const model::LabelView> labels, double value,
              std::int64_t /*timestamp_ms*/) override {
    add(metric, labels, value);
  }
  void describe(const model::MetricMetadata&) override {}
  std::size_t series_added() const override { return 0; }

  /// Returns nullopt if it was not added.
  std::optional<double> value(const std::string& series) const {
    const auto found = samples.find(series);
    return found == samples.end() ? std::nullopt : std::optional(found->second);
  }

  std::map<std::string, double> samples;
  bool repeated = false;  ///< The same series came twice.
};

}  // namespace tocsin::agent
