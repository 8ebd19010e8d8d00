// What `stats=...` of a query is answered with. Internal to alertd/api.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "common/base/time.h"
#include "common/model/series_source.h"

namespace tocsin::api {

/// A source that counts the samples read from another, which outlives it. Thread: any.
class CountingSource final : public model::SeriesSource {
 public:
  explicit CountingSource(const model::SeriesSource& source) : source_(source) {}

  base::Result<std::unique_ptr<model::SeriesSet>> select(
      std::span<const model::Matcher> matchers, std::int64_t begin_ms, std::int64_t end_ms,
      const model::SelectLimits& limits) const override;
  base::Result<std::vector<std::string>> label_values(
      std::string_view name, std::span<const model::Matcher> matchers) const override {
    return source_.label_values(name, matchers);
  }
  base::Result<std::vector<std::string>> label_names(
      std::span<const model::Matcher> matchers) const override {
    return source_.label_names(matchers);
  }

  std::size_t samples() const { return *samples_; }

 private:
  const model::SeriesSource& source_;
  std::shared_ptr<std::atomic<std::size_t>> samples_ =
      std::make_shared<std::atomic<std::size_t>>(0);
};

/// Returns the member "stats" as Prometheus has it, of what is known here: how long the query
/// waited and ran, and how many samples it read.
std::string stats_text(std::chrono::duration<double> waited, std::chrono::duration<double> ran,
                       std::size_t samples);

}  // namespace tocsin::api
