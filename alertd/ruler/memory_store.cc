#include "alertd/ruler/memory_store.h"

#include <algorithm>
#include <set>

namespace tocsin::ruler {
namespace {

using model::Labels;
using model::Sample;

class MemorySet final : public model::SeriesSet {
 public:
  struct Entry {
    Labels labels;
    std::vector<Sample> samples;
  };
  explicit MemorySet(std::vector<Entry> entries) : entries_(std::move(entries)) {}

  std::size_t size() const override { return entries_.size(); }
  const Labels& labels(std::size_t series) const override { return entries_[series].labels; }
  base::Result<void> samples(std::size_t series, std::int64_t begin_ms, std::int64_t end_ms,
                             std::vector<Sample>& out) const override {
    for (const Sample& sample : entries_[series].samples) {
      if (sample.timestamp_ms >= begin_ms && sample.timestamp_ms <= end_ms) out.push_back(sample);
    }
    return base::ok();
  }

 private:
  std::vector<Entry> entries_;
};

bool earlier(const Sample& sample, std::int64_t timestamp_ms) {
  return sample.timestamp_ms < timestamp_ms;
}

bool insert(std::vector<Sample>& samples, Sample sample) {
  const auto at = std::lower_bound(samples.begin(), samples.end(), sample.timestamp_ms, earlier);
  if (at != samples.end() && at->timestamp_ms == sample.timestamp_ms) return false;
  samples.insert(at, sample);
  return true;
}

}  // namespace

bool MemoryStore::add(const Labels& labels, Sample sample) {
  base::MutexLock lock(mutex_);
  return insert(series_[labels], sample);
}

void MemoryStore::append(std::shared_ptr<const model::WriteBatch> batch, model::AppendDone done) {
  model::AppendOutcome outcome;
  {
    base::MutexLock lock(mutex_);
    for (const auto& series : batch->series()) {
      auto& samples = series_[Labels::from_sorted(batch->labels(series))];
      for (const Sample& sample : batch->samples(series)) {
        ++(insert(samples, sample) ? outcome.samples_appended : outcome.samples_conflicting);
      }
    }
  }
  done(outcome);
}

base::Result<std::unique_ptr<model::SeriesSet>> MemoryStore::select(
    std::span<const model::Matcher> matchers, std::int64_t begin_ms, std::int64_t end_ms,
    const model::SelectLimits& limits) const {
  std::vector<MemorySet::Entry> entries;
  base::MutexLock lock(mutex_);
  for (const auto& [labels, samples] : series_) {
    if (!model::matches_all(matchers, labels)) continue;
    const auto begin = std::lower_bound(samples.begin(), samples.end(), begin_ms, earlier);
    const auto end = std::lower_bound(begin, samples.end(), end_ms + 1, earlier);
    if (begin == end) continue;
    if (entries.size() == limits.series_max) {
      return base::error(base::ErrorCode::LimitExceeded,
                         "more than " + std::to_string(limits.series_max) + " series");
    }
    entries.push_back({labels, std::vector<Sample>(begin, end)});
  }
  return std::unique_ptr<model::SeriesSet>(std::make_unique<MemorySet>(std::move(entries)));
}

base::Result<std::vector<std::string>> MemoryStore::label_values(
    std::string_view name, std::span<const model::Matcher> matchers) const {
  std::set<std::string> values;
  base::MutexLock lock(mutex_);
  for (const auto& [labels, samples] : series_) {
    if (labels.has(name) && model::matches_all(matchers, labels)) {
      values.emplace(labels.get(name));
    }
  }
  return std::vector<std::string>(values.begin(), values.end());
}

base::Result<std::vector<std::string>> MemoryStore::label_names(
    std::span<const model::Matcher> matchers) const {
  std::set<std::string> names;
  base::MutexLock lock(mutex_);
  for (const auto& [labels, samples] : series_) {
    if (!model::matches_all(matchers, labels)) continue;
    for (const auto& label : labels) names.emplace(label.name);
  }
  return std::vector<std::string>(names.begin(), names.end());
}

std::vector<Sample> MemoryStore::samples(const Labels& labels) const {
  base::MutexLock lock(mutex_);
  const auto found = series_.find(labels);
  return found == series_.end() ? std::vector<Sample>() : found->second;
}

}  // namespace tocsin::ruler
