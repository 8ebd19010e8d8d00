// Samples kept as values: what a reading on the logs' thread hands to the sampler's.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/collectors/collector.h"

namespace tocsin::agent {

/// Copies what it is given. Thread: one at a time.
class SampleBuffer final : public MetricSink {
 public:
  /// FromZero: in the first round of a run, so that a counter that stands where it stood when the
  /// run before ended is seen to have begun anew.
  enum class Counters { AsTheyAre, FromZero };

  explicit SampleBuffer(Counters counters = Counters::AsTheyAre) : counters_(counters) {}

  using MetricSink::add;
  void add(const MetricInfo& metric, std::span<const model::LabelView> labels,
           double value) override;
  /// Adds everything to `sink`.
  void replay(MetricSink& sink) const;

 private:
  struct Sample {
    MetricInfo metric;
    std::vector<std::pair<std::string, std::string>> labels;
    double value = 0;
  };
  Counters counters_;
  std::vector<Sample> samples_;
};

/// Counters of one metric by the values of its labels.
///
/// A series that begins is told as 0 once before its value: increase() sees no first sample, and
/// the first error of a kind is the one that matters. Bounded by whoever chooses the values.
class CounterTable {
 public:
  CounterTable(const MetricInfo& metric, std::vector<std::string> label_names);

  void add(std::initializer_list<std::string_view> values, double by = 1);
  std::size_t size() const { return entries_.size(); }
  bool contains(std::initializer_list<std::string_view> values) const;
  /// Adds every series to `sink`, with the label `name`=`value` first.
  void tell(MetricSink& sink, model::LabelView common);

 private:
  struct Entry {
    double value = 0;
    bool told = false;
  };
  static std::string key_of(std::initializer_list<std::string_view> values);

  MetricInfo metric_;
  std::vector<std::string> label_names_;
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace tocsin::agent
