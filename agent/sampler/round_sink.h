// The two ways samples enter a round: collectors read at once, sources answer later.
//
// A collector (agent/collectors/collector.h) is called and has read when it returns. A source, such
// as a scrape over HTTP, is started with the round and hands over a function that writes its
// samples when its answer is there; so a hanging target delays nobody but itself.
#pragma once

#include <functional>
#include <string>

#include "agent/collectors/collector.h"
#include "common/base/time.h"

namespace tocsin::agent {

/// A MetricSink that also takes samples with a time of their own. Valid during one call only.
class RoundSink : public MetricSink {
 public:
  using MetricSink::add;

  /// Adds one sample at a time of its own. Such series get no stale marker when they go away:
  /// whoever sets times says himself when a series ends. Labels in any order; those with an empty
  /// value are left out.
  virtual void add_at(const MetricInfo& metric, std::span<const model::LabelView> labels,
                      double value, std::int64_t timestamp_ms) = 0;

  /// Says what is known about a family; the views are copied. Only needed where a metric's name
  /// differs from its family's; add() does it for the others.
  virtual void describe(const model::MetricMetadata& metadata) = 0;

  /// Returns how many of the series added so far were not there in the round before.
  virtual std::size_t series_added() const = 0;
};

/// Writes what a source has read. Called once, on the sampler's executor.
using Fill = std::function<void(RoundSink&)>;

/// A source of metrics that answers later. Owner: the sampler; everything on its executor.
class AsyncSource {
 public:
  virtual ~AsyncSource() = default;

  /// Names the source; unique in the configuration and stable over reloads, because the series of
  /// the round before are found by it.
  virtual const std::string& key() const = 0;

  /// Begins one reading at `timestamp` and calls `done` exactly once with its samples, within the
  /// interval. Destroying the source before that is allowed; then `done` is not called.
  virtual void start(base::WallTime timestamp, std::function<void(const Fill&)> done) = 0;
};

}  // namespace tocsin::agent
