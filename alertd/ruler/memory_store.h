// Series in memory, to read and to append to: what rule tests and backtests evaluate against.
//
// Not the store: no compression, no index, no disk, one lock. Good for the thousands of samples of
// a test.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/base/mutex.h"
#include "common/model/appender.h"
#include "common/model/series_source.h"

namespace tocsin::ruler {

/// Thread: any.
class MemoryStore final : public model::SeriesSource, public model::Appender {
 public:
  /// Adds one sample; returns false if there is one of that time already, which then stays.
  bool add(const model::Labels& labels, model::Sample sample) EXCLUDES(mutex_);

  /// Calls `done` before it returns.
  void append(std::shared_ptr<const model::WriteBatch> batch, model::AppendDone done) override
      EXCLUDES(mutex_);

  base::Result<std::unique_ptr<model::SeriesSet>> select(
      std::span<const model::Matcher> matchers, std::int64_t begin_ms, std::int64_t end_ms,
      const model::SelectLimits& limits) const override EXCLUDES(mutex_);
  base::Result<std::vector<std::string>> label_values(
      std::string_view name, std::span<const model::Matcher> matchers) const override
      EXCLUDES(mutex_);
  base::Result<std::vector<std::string>> label_names(
      std::span<const model::Matcher> matchers) const override EXCLUDES(mutex_);

  /// Returns the samples of one series, in order of time; empty if there is none.
  std::vector<model::Sample> samples(const model::Labels& labels) const EXCLUDES(mutex_);

 private:
  mutable base::Mutex mutex_;
  std::map<model::Labels, std::vector<model::Sample>> series_ GUARDED_BY(mutex_);
};

}  // namespace tocsin::ruler
