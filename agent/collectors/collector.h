// What every collector is: a name, and one round of reading.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/model/labels.h"
#include "common/model/write_batch.h"

namespace tocsin::agent {

/// A metric as a collector knows it; usually a constant beside the code that fills it.
struct MetricInfo {
  std::string_view name;
  std::string_view help;
  model::MetricType type = model::MetricType::Gauge;
};

/// Where a collector puts what it read. Valid during one collect() only.
class MetricSink {
 public:
  virtual ~MetricSink() = default;

  /// Adds one sample at the round's timestamp. Labels in any order; those with an empty value are
  /// left out.
  virtual void add(const MetricInfo& metric, std::span<const model::LabelView> labels,
                   double value) = 0;
  void add(const MetricInfo& metric, std::initializer_list<model::LabelView> labels, double value) {
    add(metric, std::span(labels.begin(), labels.size()), value);
  }
  void add(const MetricInfo& metric, double value) {
    add(metric, std::span<const model::LabelView>{}, value);
  }
};

/// A source of metrics on this host. Owner: the sampler; collect() runs on the sampler's thread,
/// one collector after the other, and must return within a second whatever the host does.
class Collector {
 public:
  virtual ~Collector() = default;

  /// The value of the label `collector` in tocsin_agent_collector_success: "cpu", "filesystem".
  virtual std::string_view name() const = 0;

  /// Returns whether this host has what the collector reads (systemd, conntrack, pressure files
  /// ...). Asked at start and on reload; an absent source is no failure.
  virtual bool present() const { return true; }

  /// Reads once. On an error what was added so far is kept, and the collector counts as failed with
  /// the error's message. Errors: Io, PermissionDenied (says which grant), InvalidArgument
  /// (unreadable file).
  virtual base::Result<void> collect(MetricSink& sink) = 0;
};

}  // namespace tocsin::agent
