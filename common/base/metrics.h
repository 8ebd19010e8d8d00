// Own metrics, over prometheus-cpp: what Tocsin says about itself on /metrics and to its own store.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace tocsin::base {

using MetricLabels = std::map<std::string, std::string>;

/// A number that only grows. Cheap to copy. Thread: any.
class Counter {
 public:
  explicit Counter(prometheus::Counter* counter) : counter_(counter) {}
  void increment(double by = 1);
  double value() const;

 private:
  prometheus::Counter* counter_;
};

/// A number that goes up and down. Cheap to copy. Thread: any.
class Gauge {
 public:
  explicit Gauge(prometheus::Gauge* gauge) : gauge_(gauge) {}
  void set(double value);
  void add(double by);
  double value() const;

 private:
  prometheus::Gauge* gauge_;
};

/// Counts observations in buckets. Cheap to copy. Thread: any.
class Histogram {
 public:
  explicit Histogram(prometheus::Histogram* histogram) : histogram_(histogram) {}
  void observe(double value);

 private:
  prometheus::Histogram* histogram_;
};

/// One series of the registry at one moment.
struct MetricPoint {
  std::string name;
  MetricLabels labels;
  double value = 0;
};

/// What the registry knows about a name; `type` is "counter", "gauge" or "histogram".
struct MetricFamily {
  std::string name;
  std::string type;
  std::string help;
};

/// A registry of own metrics. Asking twice for the same name and labels gives the same metric.
/// Names follow Prometheus conventions: base units, `_total` on counters. Thread: any.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  Counter counter(const std::string& name, const std::string& help,
                  const MetricLabels& labels = {});
  Gauge gauge(const std::string& name, const std::string& help, const MetricLabels& labels = {});
  /// `buckets` are inclusive upper bounds, ascending, without +Inf.
  Histogram histogram(const std::string& name, const std::string& help,
                      const std::vector<double>& buckets, const MetricLabels& labels = {});
  /// Forgets one gauge, e.g. of a collector that is gone.
  void remove_gauge(const std::string& name, const MetricLabels& labels);

  /// Returns the registry in Prometheus text format 0.0.4.
  std::string text() const;
  /// Returns every series; histograms as _bucket, _sum and _count.
  std::vector<MetricPoint> points() const;
  /// Returns every name with its type and help.
  std::vector<MetricFamily> families() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tocsin::base
