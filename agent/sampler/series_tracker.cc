#include "agent/sampler/series_tracker.h"

#include <algorithm>

#include "common/base/hash.h"

namespace tocsin::agent {

SeriesTracker::Seen SeriesTracker::see(std::span<const model::LabelView> labels) {
  scratch_.clear();
  for (const model::LabelView label : labels) {
    scratch_.append(label.name).push_back('\xff');
    scratch_.append(label.value).push_back('\xff');
  }
  const std::uint64_t hash = base::hash64(scratch_);
  if (Entry* entry = find(hash)) {
    if (entry->round == round_) return Seen::Repeated;
    entry->round = round_;
    next_ = static_cast<std::size_t>(entry - series_.data()) + 1;
    return Seen::Again;
  }
  by_hash_.emplace(hash, static_cast<std::uint32_t>(series_.size()));
  series_.push_back({hash, round_, model::Labels::from_sorted(labels)});
  return Seen::New;
}

SeriesTracker::Entry* SeriesTracker::find(std::uint64_t hash) {
  if (next_ < series_.size() && series_[next_].hash == hash) return &series_[next_];
  if (by_hash_.empty()) {
    for (const Entry& entry : series_) by_hash_.emplace(entry.hash, by_hash_.size());
  }
  const auto at = by_hash_.find(hash);
  return at == by_hash_.end() ? nullptr : &series_[at->second];
}

void SeriesTracker::end_round(const std::function<void(const model::Labels&)>& gone) {
  const std::size_t removed = std::erase_if(series_, [&](const Entry& entry) {
    if (entry.round == round_) return false;
    gone(entry.labels);
    return true;
  });
  if (removed > 0) by_hash_.clear();
}

}  // namespace tocsin::agent
