#include "alertd/tsdb/select_cache.h"

namespace tocsin::tsdb {
namespace {

constexpr std::size_t kEntriesMax = 2048;
constexpr std::size_t kSeriesHeldMax = 4'000'000;  // 20 bytes each

}  // namespace

std::string_view SelectCache::metric_of(std::span<const model::Matcher> matchers) {
  for (const model::Matcher& matcher : matchers) {
    if (matcher.op() == model::MatchOp::Equal && matcher.name() == model::kMetricName) {
      return matcher.value();
    }
  }
  return {};
}

std::string SelectCache::key_of(std::span<const model::Matcher> matchers) {
  std::string key;
  if (metric_of(matchers).empty()) return key;
  for (const model::Matcher& matcher : matchers) {
    key += static_cast<char>(matcher.op());
    // Lengths first, so that no text can imitate a boundary.
    key += std::to_string(matcher.name().size()) + ":" + matcher.name();
    key += std::to_string(matcher.value().size()) + ":" + matcher.value();
  }
  return key;
}

ResolvedPtr SelectCache::find(const std::string& key) {
  const base::MutexLock lock(mutex_);
  const auto at = entries_.find(key);
  return at == entries_.end() ? nullptr : at->second;
}

void SelectCache::store(const std::string& key, ResolvedPtr series) {
  const base::MutexLock lock(mutex_);
  if (entries_.size() >= kEntriesMax || series_held_ + series->size() > kSeriesHeldMax) {
    entries_.clear();
    series_held_ = 0;
    if (series->size() > kSeriesHeldMax) return;
  }
  ResolvedPtr& entry = entries_[key];
  if (entry) series_held_ -= entry->size();
  series_held_ += series->size();
  entry = std::move(series);
}

void SelectCache::clear() {
  const base::MutexLock lock(mutex_);
  entries_.clear();
  series_held_ = 0;
}

}  // namespace tocsin::tsdb
