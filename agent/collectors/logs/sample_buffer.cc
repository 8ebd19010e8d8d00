#include "agent/collectors/logs/sample_buffer.h"

#include <utility>

#include "common/base/strings.h"

namespace tocsin::agent {

namespace {

constexpr char kBetweenValues = '\x1f';

}  // namespace

void SampleBuffer::add(const MetricInfo& metric, std::span<const model::LabelView> labels,
                       double value) {
  const bool from_zero =
      counters_ == Counters::FromZero && metric.type == model::MetricType::Counter;
  Sample sample{metric, {}, from_zero ? 0 : value};
  sample.labels.reserve(labels.size());
  for (const model::LabelView& label : labels) sample.labels.emplace_back(label.name, label.value);
  samples_.push_back(std::move(sample));
}

void SampleBuffer::replay(MetricSink& sink) const {
  std::vector<model::LabelView> labels;
  for (const Sample& sample : samples_) {
    labels.clear();
    for (const auto& [name, value] : sample.labels) labels.push_back({name, value});
    sink.add(sample.metric, labels, sample.value);
  }
}

CounterTable::CounterTable(const MetricInfo& metric, std::vector<std::string> label_names)
    : metric_(metric), label_names_(std::move(label_names)) {}

std::string CounterTable::key_of(std::initializer_list<std::string_view> values) {
  std::string key;
  bool first = true;
  for (const std::string_view value : values) {
    if (!std::exchange(first, false)) key += kBetweenValues;
    key += value;
  }
  return key;
}

void CounterTable::add(std::initializer_list<std::string_view> values, double by) {
  entries_[key_of(values)].value += by;
}

bool CounterTable::contains(std::initializer_list<std::string_view> values) const {
  return entries_.contains(key_of(values));
}

void CounterTable::tell(MetricSink& sink, model::LabelView common) {
  std::vector<model::LabelView> labels;
  for (auto& [key, entry] : entries_) {
    labels.assign(1, common);
    std::size_t at = 0;
    for (const std::string_view value : base::split(key, kBetweenValues)) {
      if (at < label_names_.size()) labels.push_back({label_names_[at++], value});
    }
    sink.add(metric_, labels, std::exchange(entry.told, true) ? entry.value : 0);
  }
}

}  // namespace tocsin::agent
