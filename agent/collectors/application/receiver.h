// A place where applications hand metrics in, as the agent sees it.
#pragma once

#include <memory>

#include "agent/sampler/round_sink.h"
#include "common/base/executor.h"
#include "common/base/log.h"
#include "common/base/metrics.h"

namespace tocsin::agent {

/// Lives over reloads of the configuration, so that counters and gauges do. Nothing is opened and
/// no thread exists before the first round.
class MetricReceiver {
 public:
  virtual ~MetricReceiver() = default;

  /// "statsd", "otlp".
  virtual std::string_view name() const = 0;
  /// Opens what is not open yet; tried again each round. Errors: Io (the address is taken, ...).
  /// Thread: the sampler's.
  virtual base::Result<void> open() = 0;
  /// Writes what was handed in. Thread: the sampler's.
  virtual void write(RoundSink& sink) = 0;
  /// Stops receiving for good; the next one may take the address. Thread: any.
  virtual void close() = 0;
};

struct ReceiverWorld {
  const base::Clock& clock;
  base::Metrics& metrics;
};

/// The receiver as a source of the sampler.
std::unique_ptr<AsyncSource> make_receiver_source(std::shared_ptr<MetricReceiver> receiver,
                                                  base::Executor& executor,
                                                  base::FailureLog& failures);

}  // namespace tocsin::agent
