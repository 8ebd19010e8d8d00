#include "common/model/write_batch.h"

#include <algorithm>
#include <cstring>

#include "common/base/check.h"

namespace tocsin::model {
namespace {

constexpr std::size_t kBlockBytes = 16384;

}  // namespace

std::string_view to_string(MetricType type) {
  switch (type) {
    case MetricType::Unknown:
      return "unknown";
    case MetricType::Counter:
      return "counter";
    case MetricType::Gauge:
      return "gauge";
    case MetricType::Histogram:
      return "histogram";
    case MetricType::GaugeHistogram:
      return "gaugehistogram";
    case MetricType::Summary:
      return "summary";
    case MetricType::Info:
      return "info";
    case MetricType::StateSet:
      return "stateset";
  }
  return "unknown";
}

std::string_view TextArena::copy(std::string_view text) {
  if (text.empty()) return {};
  if (text.size() > free_bytes_) {
    const std::size_t bytes = std::max(kBlockBytes, text.size());
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(bytes));
    free_ = blocks_.back().get();
    free_bytes_ = bytes;
  }
  std::memcpy(free_, text.data(), text.size());
  const std::string_view copied(free_, text.size());
  free_ += text.size();
  free_bytes_ -= text.size();
  return copied;
}

void TextArena::clear() {
  blocks_.clear();
  free_ = nullptr;
  free_bytes_ = 0;
}

void WriteBatch::reserve(std::size_t series, std::size_t labels, std::size_t samples) {
  series_.reserve(series_.size() + series);
  labels_.reserve(labels_.size() + labels);
  samples_.reserve(samples_.size() + samples);
}

void WriteBatch::begin_series() {
  series_.push_back({static_cast<std::uint32_t>(labels_.size()), 0,
                     static_cast<std::uint32_t>(samples_.size()), 0, 0, nullptr});
}

void WriteBatch::add_label(std::string_view name, std::string_view value) {
  TC_DCHECK(!series_.empty(), "begin_series() first");
  labels_.push_back({name, value});
  ++series_.back().label_count;
}

void WriteBatch::add_sample(Sample sample) {
  TC_DCHECK(!series_.empty(), "begin_series() first");
  samples_.push_back(sample);
  ++series_.back().sample_count;
}

void WriteBatch::add(const Labels& labels, Sample sample) {
  begin_series();
  for (const LabelView label : labels) add_label(text_.copy(label.name), text_.copy(label.value));
  add_sample(sample);
}

std::span<const LabelView> WriteBatch::labels_of(const Series& series,
                                                 std::vector<LabelView>& scratch) const {
  if (series.known == nullptr) return labels(series);
  scratch.assign(series.known->labels->begin(), series.known->labels->end());
  return scratch;
}

void WriteBatch::replace_labels(std::size_t series, std::span<const LabelView> labels) {
  TC_DCHECK(series < series_.size(), "no such series");
  Series& target = series_[series];
  if (labels.size() > target.label_count) {
    target.label_begin = static_cast<std::uint32_t>(labels_.size());
    labels_.insert(labels_.end(), labels.begin(), labels.end());
  } else {
    std::copy(labels.begin(), labels.end(), labels_.begin() + target.label_begin);
  }
  target.label_count = static_cast<std::uint32_t>(labels.size());
}

}  // namespace tocsin::model
