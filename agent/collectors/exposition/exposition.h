// Reads the two text formats in which programs expose metrics: Prometheus 0.0.4 and
// OpenMetrics 1.0.
//
// Used by the scrape collector (an HTTP body) and by the textfile collector (*.prom files). One
// pass, no copy: names, labels and help texts are views into the caller's text; only strings with
// escapes are decoded into a buffer. A sample costs no allocation once the buffers have grown.
//
// Deliberately absent: finding the same series twice in one text (whoever keeps the samples sees
// that), and keeping exemplars (counted, not stored).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "common/base/result.h"
#include "common/model/labels.h"
#include "common/model/write_batch.h"

namespace tocsin::agent {

enum class ExpositionFormat {
  Prometheus,   ///< Text format 0.0.4, with quoted UTF-8 names.
  OpenMetrics,  ///< OpenMetrics 1.0.0 text, with quoted UTF-8 names.
};

/// Returns the format that an HTTP Content-Type names; Prometheus unless it is
/// application/openmetrics-text.
ExpositionFormat exposition_format(std::string_view content_type);

/// What one text may hold; all bounds are inclusive.
struct ExpositionLimits {
  std::size_t text_bytes_max = std::size_t{32} << 20U;
  std::size_t samples_max = 200'000;
  std::size_t families_max = 20'000;
  std::size_t labels_max = 64;          ///< For one sample, without its name.
  std::size_t name_bytes_max = 1024;    ///< Of a metric's or a label's name.
  std::size_t value_bytes_max = 65536;  ///< Of a label's value or of a help text.
};

/// One sample line with what its family said before. Views are valid during the callback only.
struct ExpositionSample {
  std::string_view name;  ///< As written: "http_requests_total", "latency_bucket".
  std::span<const model::LabelView> labels;  ///< In the order written; names are unique.
  double value = 0;
  std::optional<std::int64_t> timestamp_ms;  ///< Unix time; nullopt if the line has none.
  std::string_view family;                   ///< Name in the TYPE line; `name` if there was none.
  model::MetricType type = model::MetricType::Unknown;
  std::string_view help;
  std::string_view unit;
  bool created = false;  ///< OpenMetrics `_created`: when the series began, not an observation.
  bool has_exemplar = false;  ///< The line had an exemplar, which is checked and not kept.
};

/// Returns what one series of the sample's family is by itself: Counter, Gauge or Unknown. The
/// buckets and counts of a histogram are counters; a sum is Unknown, since negative observations
/// make it fall.
model::MetricType series_type(const ExpositionSample& sample);

/// What a text held.
struct ExpositionSummary {
  std::size_t samples = 0;
  std::size_t families = 0;
  std::size_t exemplars = 0;
};

/// An error from the callback stops the parsing and is returned as it is.
using ExpositionCallback = std::function<base::Result<void>(const ExpositionSample&)>;

/// Parses a whole exposition and calls `on_sample` for each sample, in the order written.
///
/// Samples before a mistake have been handed over when the error is returned: a caller that wants
/// all or nothing parses twice or collects first. Unknown escapes in strings are kept as written,
/// as Prometheus does. In the Prometheus format the last line may lack its line end; OpenMetrics
/// must end in "# EOF". Errors: InvalidArgument ("line 12: ..."; also text that is no UTF-8),
/// LimitExceeded (names the limit). Thread: any; no shared state. Source: Prometheus, "Exposition
/// formats"; OpenMetrics 1.0.0; Prometheus UTF-8 proposal.
base::Result<ExpositionSummary> parse_exposition(std::string_view text, ExpositionFormat format,
                                                 const ExpositionLimits& limits,
                                                 const ExpositionCallback& on_sample);

}  // namespace tocsin::agent
