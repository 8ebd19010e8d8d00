// StatsD: counters, gauges, timers and sets by UDP or Unix datagrams.
#pragma once

#include <memory>

#include "agent/collectors/application/application_settings.h"
#include "agent/collectors/application/receiver.h"

namespace tocsin::agent {

/// One thread, from the first open() to close(). Names are made as statsd_exporter makes them;
/// timers become histograms in seconds.
std::shared_ptr<MetricReceiver> make_statsd_server(StatsdSettings settings, ReceiverWorld world);

}  // namespace tocsin::agent
