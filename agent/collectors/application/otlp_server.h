// OTLP over HTTP: POST /v1/metrics, protobuf or JSON, plain or gzip.
#pragma once

#include <memory>

#include "agent/collectors/application/application_settings.h"
#include "agent/collectors/application/receiver.h"

namespace tocsin::agent {

/// One thread, from the first open() to close(). What is refused is said in the answer
/// (partial_success) and counted.
std::shared_ptr<MetricReceiver> make_otlp_server(OtlpSettings settings, ReceiverWorld world);

}  // namespace tocsin::agent
