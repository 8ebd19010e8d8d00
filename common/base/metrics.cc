#include "common/base/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "common/base/mutex.h"
#include "common/base/strings.h"

namespace tocsin::base {

struct Metrics::State {
  prometheus::Registry registry{prometheus::Registry::InsertBehavior::Merge};
  Mutex mutex;
  // Gauges can be removed again, for which prometheus-cpp wants the family and the pointer.
  std::map<std::pair<std::string, MetricLabels>,
           std::pair<prometheus::Family<prometheus::Gauge>*, prometheus::Gauge*>>
      gauges GUARDED_BY(mutex);
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

void Counter::increment(double by) {
  counter_->Increment(by);
}
double Counter::value() const {
  return counter_->Value();
}
void Gauge::set(double value) {
  gauge_->Set(value);
}
void Gauge::add(double by) {
  gauge_->Increment(by);
}
double Gauge::value() const {
  return gauge_->Value();
}
void Histogram::observe(double value) {
  histogram_->Observe(value);
}

Counter Metrics::counter(const std::string& name, const std::string& help,
                         const MetricLabels& labels) {
  auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(state_->registry);
  return Counter(&family.Add(labels));
}

Gauge Metrics::gauge(const std::string& name, const std::string& help, const MetricLabels& labels) {
  auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(state_->registry);
  MutexLock lock(state_->mutex);
  auto& entry = state_->gauges[{name, labels}];
  entry = {&family, &family.Add(labels)};
  return Gauge(entry.second);
}

Histogram Metrics::histogram(const std::string& name, const std::string& help,
                             const std::vector<double>& buckets, const MetricLabels& labels) {
  auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(state_->registry);
  return Histogram(&family.Add(labels, buckets));
}

void Metrics::remove_gauge(const std::string& name, const MetricLabels& labels) {
  MutexLock lock(state_->mutex);
  const auto found = state_->gauges.find({name, labels});
  if (found == state_->gauges.end()) return;
  found->second.first->Remove(found->second.second);
  state_->gauges.erase(found);
}

std::string Metrics::text() const {
  return prometheus::TextSerializer().Serialize(state_->registry.Collect());
}

std::vector<MetricFamily> Metrics::families() const {
  std::vector<MetricFamily> families;
  for (const auto& family : state_->registry.Collect()) {
    const char* type = family.type == prometheus::MetricType::Counter     ? "counter"
                       : family.type == prometheus::MetricType::Histogram ? "histogram"
                                                                          : "gauge";
    families.push_back({family.name, type, family.help});
  }
  return families;
}

std::vector<MetricPoint> Metrics::points() const {
  std::vector<MetricPoint> points;
  for (const auto& family : state_->registry.Collect()) {
    for (const auto& metric : family.metric) {
      MetricLabels labels;
      for (const auto& label : metric.label) labels[label.name] = label.value;
      switch (family.type) {
        case prometheus::MetricType::Counter:
          points.push_back({family.name, labels, metric.counter.value});
          break;
        case prometheus::MetricType::Gauge:
          points.push_back({family.name, labels, metric.gauge.value});
          break;
        case prometheus::MetricType::Histogram: {
          for (const auto& bucket : metric.histogram.bucket) {
            MetricLabels with_bound = labels;
            with_bound["le"] = format_double(bucket.upper_bound);
            points.push_back({family.name + "_bucket", std::move(with_bound),
                              static_cast<double>(bucket.cumulative_count)});
          }
          points.push_back({family.name + "_sum", labels, metric.histogram.sample_sum});
          points.push_back(
              {family.name + "_count", labels, static_cast<double>(metric.histogram.sample_count)});
          break;
        }
        default:
          break;  // summaries, infos and untyped are not made by this registry
      }
    }
  }
  return points;
}

}  // namespace tocsin::base
