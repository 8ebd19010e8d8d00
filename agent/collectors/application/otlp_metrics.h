// OpenTelemetry metrics as the two encodings of OTLP give them, before they become series.
// Source: opentelemetry-proto 1.x, metrics/v1; the specification of OTLP/HTTP.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/collectors/application/series_store.h"
#include "common/base/result.h"

namespace tocsin::agent {

using OtlpAttributes = std::vector<std::pair<std::string, std::string>>;

/// One data point of a number or of a histogram.
struct OtlpPoint {
  std::uint64_t time_ns = 0;  ///< Since 1970; 0: the sender did not say.
  OtlpAttributes attributes;
  double value = 0;
  BucketCounts buckets;   ///< Of a histogram.
  bool no_value = false;  ///< The sender says that the series has ended.
};

enum class OtlpKind { Gauge, Sum, Histogram, Unsupported };

struct OtlpMetric {
  std::string name;
  std::string description;
  std::string unit;  ///< UCUM.
  OtlpKind kind = OtlpKind::Unsupported;
  bool monotonic = false;
  bool delta = false;
  std::vector<OtlpPoint> points;
  std::size_t unsupported_points = 0;  ///< Exponential histograms, summaries.
};

struct OtlpResource {
  OtlpAttributes attributes;
  std::vector<OtlpMetric> metrics;
};

/// What one request may hold at most.
struct OtlpLimits {
  std::size_t points_max = 50'000;
  std::size_t attributes_max = 128;  ///< Of one thing.
};

/// Decode an ExportMetricsServiceRequest. Attributes that are lists or maps are left out.
/// Errors: InvalidArgument (not in this encoding), LimitExceeded (names the limit).
/// Pure; thread: any.
base::Result<std::vector<OtlpResource>> decode_otlp_protobuf(std::string_view body,
                                                             const OtlpLimits& limits);
base::Result<std::vector<OtlpResource>> decode_otlp_json(std::string_view body,
                                                         const OtlpLimits& limits);

/// What was not taken, for the answer.
struct OtlpRejected {
  std::size_t points = 0;
  std::string reason{};  ///< Of the first.
};
std::string encode_otlp_answer_protobuf(const OtlpRejected& rejected);
std::string encode_otlp_answer_json(const OtlpRejected& rejected);

/// Returns the Prometheus name: dots become '_', the unit and for a counter "total" are put behind
/// if they are not there. Source: OpenTelemetry, "Prometheus and OpenMetrics compatibility".
std::string otlp_metric_name(const OtlpMetric& metric);

/// Puts the points into the store and target_info for the resources. `resource_labels` are the
/// attributes that target_info shows. Returns what was refused.
OtlpRejected store_otlp(std::vector<OtlpResource> resources,
                        const std::vector<std::string>& resource_labels, base::MonotonicTime now,
                        SeriesStore& store);

}  // namespace tocsin::agent
