// Remembers which series a selector matched, in the order of labels.
//
// Rules ask the same selectors every few seconds, while series come and go seldom: intersecting and
// above all sorting is done once, until the series of that metric change.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "alertd/tsdb/resolved_series.h"
#include "common/base/mutex.h"
#include "common/model/matcher.h"

namespace tocsin::tsdb {

/// Thread: any.
class SelectCache {
 public:
  /// Returns the key of a selector, or "" if it names no metric: then nothing is remembered.
  static std::string key_of(std::span<const model::Matcher> matchers);
  /// Returns the value of the matcher __name__="...", or "".
  static std::string_view metric_of(std::span<const model::Matcher> matchers);

  /// Returns what was stored under the key last, or null; its stamp says of which state it is.
  ResolvedPtr find(const std::string& key) EXCLUDES(mutex_);
  void store(const std::string& key, ResolvedPtr series) EXCLUDES(mutex_);
  /// Call when series were removed: the cache must not keep them alive.
  void clear() EXCLUDES(mutex_);

 private:
  base::Mutex mutex_;
  std::unordered_map<std::string, ResolvedPtr> entries_ GUARDED_BY(mutex_);
  std::size_t series_held_ GUARDED_BY(mutex_) = 0;
};

}  // namespace tocsin::tsdb
