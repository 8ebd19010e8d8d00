#include "alertd/api/newest.h"

namespace tocsin::api {
namespace {

constexpr std::size_t kSeriesBetweenLooks = 256;

}  // namespace

base::Result<promql::Vector> newest_samples(const model::SeriesSource& source,
                                            std::span<const model::Matcher> matchers,
                                            std::int64_t at_ms, base::Duration lookback,
                                            const QueryRunner::Cancelled& cancelled) {
  const std::int64_t begin_ms = at_ms - lookback.count() + 1;
  TC_TRY(const auto found, source.select(matchers, begin_ms, at_ms, {}));
  promql::Vector vector;
  std::vector<model::Sample> samples;
  for (std::size_t i = 0; i < found->size(); ++i) {
    if (i % kSeriesBetweenLooks == 0 && cancelled()) {
      return base::error(base::ErrorCode::Cancelled, "the query was given up");
    }
    samples.clear();
    TC_TRY(found->samples(i, begin_ms, at_ms, samples));
    if (samples.empty() || model::is_stale(samples.back().value)) continue;
    vector.push_back({found->labels(i), samples.back()});
  }
  return vector;
}

}  // namespace tocsin::api
