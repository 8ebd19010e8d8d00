#include "alertd/api/query_stats.h"

#include <fmt/core.h>

namespace tocsin::api {
namespace {

class CountingSet final : public model::SeriesSet {
 public:
  CountingSet(std::unique_ptr<model::SeriesSet> set,
              std::shared_ptr<std::atomic<std::size_t>> count)
      : set_(std::move(set)), count_(std::move(count)) {}

  std::size_t size() const override { return set_->size(); }
  const model::Labels& labels(std::size_t series) const override { return set_->labels(series); }
  base::Result<void> samples(std::size_t series, std::int64_t begin_ms, std::int64_t end_ms,
                             std::vector<model::Sample>& out) const override {
    const std::size_t before = out.size();
    TC_TRY(set_->samples(series, begin_ms, end_ms, out));
    *count_ += out.size() - before;
    return base::ok();
  }

 private:
  std::unique_ptr<model::SeriesSet> set_;
  std::shared_ptr<std::atomic<std::size_t>> count_;
};

}  // namespace

base::Result<std::unique_ptr<model::SeriesSet>> CountingSource::select(
    std::span<const model::Matcher> matchers, std::int64_t begin_ms, std::int64_t end_ms,
    const model::SelectLimits& limits) const {
  TC_TRY(auto set, source_.select(matchers, begin_ms, end_ms, limits));
  return std::unique_ptr<model::SeriesSet>(std::make_unique<CountingSet>(std::move(set), samples_));
}

std::string stats_text(std::chrono::duration<double> waited, std::chrono::duration<double> ran,
                       std::size_t samples) {
  return fmt::format(
      "{{\"timings\":{{\"evalTotalTime\":{0},\"resultSortTime\":0,\"queryPreparationTime\":0,"
      "\"innerEvalTime\":{0},\"execQueueTime\":{1},\"execTotalTime\":{2}}},"
      "\"samples\":{{\"totalQueryableSamples\":{3}}}}}",
      ran.count(), waited.count(), (waited + ran).count(), samples);
}

}  // namespace tocsin::api
