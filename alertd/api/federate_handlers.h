// /federate: the newest samples of selected series, for a Prometheus that scrapes us.
#pragma once

#include <string>

#include "alertd/api/query_runner.h"
#include "alertd/api/router.h"
#include "alertd/promql/engine.h"
#include "common/model/series_source.h"

namespace tocsin::api {

/// How series leave for other systems.
struct ExportOptions {
  base::Duration lookback{300'000};      ///< So old may a newest sample be.
  model::Labels external_labels;         ///< Added to series that do not have them.
  std::size_t samples_max = 50'000'000;  ///< Of one answer.
  std::size_t bytes_max = 256 << 20;     ///< Of one answer, before compression.
};

class FederateHandlers {
 public:
  FederateHandlers(const model::SeriesSource& source, const base::Clock& clock, QueryRunner& runner,
                   const promql::ParseOptions& parse, const ExportOptions& options)
      : source_(source), clock_(clock), runner_(runner), parse_(parse), options_(options) {}

  /// Parameters: `match[]`, repeated; without any nothing is selected. Answers in the text format,
  /// with times; names that it cannot say are quoted if the client reads that
  /// (`escaping=allow-utf-8`), else written with underscores. Errors are plain text.
  /// Source: Prometheus, "Federation".
  void federate(ApiCall call) const;

 private:
  const model::SeriesSource& source_;
  const base::Clock& clock_;
  QueryRunner& runner_;
  const promql::ParseOptions parse_;
  const ExportOptions options_;
};

/// Returns the samples in Prometheus's text format, sorted by name and labels, untyped. Series
/// without a name are left out; `external` labels are added where they are missing, and an empty
/// `instance` too: the scraping Prometheus shall not put its own there.
/// Errors: LimitExceeded (more than `bytes_max`).
base::Result<std::string> exposition(const promql::Vector& samples, const model::Labels& external,
                                     bool utf8_names, std::size_t bytes_max);

}  // namespace tocsin::api
