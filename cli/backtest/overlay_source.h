// The past, with what the rules under test record laid over it.
//
// A rule that reads a recording must see what the recording rule of the same set gives, not what an
// older one gave at the time. From `since` on, series that the set writes come from memory; what
// stood there before `since` stays.
#pragma once

#include <set>
#include <string>

#include "alertd/ruler/memory_store.h"
#include "common/base/time.h"
#include "common/model/series_source.h"

namespace tocsin::backtest {

/// Which series of the past are replaced.
struct Shadow {
  std::set<std::string, std::less<>> recordings;  ///< Metric names.
  std::set<std::string, std::less<>> alerts;      ///< Of ALERTS and ALERTS_FOR_STATE: alertname.
  base::WallTime since;

  bool covers(const model::Labels& labels) const;
};

/// Thread: any, if `past`'s is. Both sources outlive it, not the sets it returns.
class OverlaySource final : public model::SeriesSource {
 public:
  OverlaySource(const model::SeriesSource& past, const ruler::MemoryStore& written, Shadow shadow)
      : past_(past), written_(written), shadow_(std::move(shadow)) {}

  base::Result<std::unique_ptr<model::SeriesSet>> select(
      std::span<const model::Matcher> matchers, std::int64_t begin_ms, std::int64_t end_ms,
      const model::SelectLimits& limits) const override;
  base::Result<std::vector<std::string>> label_values(
      std::string_view name, std::span<const model::Matcher> matchers) const override;
  base::Result<std::vector<std::string>> label_names(
      std::span<const model::Matcher> matchers) const override;

 private:
  const model::SeriesSource& past_;
  const ruler::MemoryStore& written_;
  const Shadow shadow_;
};

}  // namespace tocsin::backtest
