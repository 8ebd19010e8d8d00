#include "agent/sampler/series_tracker.h"

#include "common/base/hash.h"

namespace tocsin::agent {

SeriesTracker::Seen SeriesTracker::see(std::span<const model::LabelView> labels) {
  scratch_.clear();
  for (const model::LabelView label : labels) {
    scratch_.append(label.name).push_back('\xff');
    scratch_.append(label.value).push_back('\xff');
  }
  const auto [at, inserted] = series_.try_emplace(base::hash64(scratch_));
  Entry& entry = at->second;
  if (!inserted && entry.round == round_) return Seen::Repeated;
  entry.round = round_;
  if (!inserted) return Seen::Again;
  entry.labels = model::Labels::from_sorted(labels);
  return Seen::New;
}

void SeriesTracker::end_round(const std::function<void(const model::Labels&)>& gone) {
  for (auto at = series_.begin(); at != series_.end();) {
    if (at->second.round == round_) {
      ++at;
      continue;
    }
    gone(at->second.labels);
    at = series_.erase(at);
  }
}

}  // namespace tocsin::agent
