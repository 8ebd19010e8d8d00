// What senders said about their metrics: type, help and unit by family name.
//
// Remote write repeats this every few minutes, so it is kept in memory only and bounded: a sender
// that invents names can fill the table, never the memory. The read side answers "is this a counter
// or a gauge?", which rules are checked against.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/base/mutex.h"
#include "common/model/write_batch.h"

namespace tocsin::model {

/// Thread: any.
class MetadataTable {
 public:
  struct Entry {
    MetricType type = MetricType::Unknown;
    std::string help;
    std::string unit;
    bool operator==(const Entry&) const = default;
  };
  using Entries = std::map<std::string, Entry, std::less<>>;

  struct Limits {
    std::size_t families_max = 50'000;
    std::size_t help_bytes_max = 512;  ///< Longer ones are cut, on a character's edge.
    std::size_t unit_bytes_max = 64;
  };

  MetadataTable() = default;
  explicit MetadataTable(const Limits& limits) : limits_(limits) {}

  /// Takes over what is new or changed; the latest word about a family counts, except that
  /// "unknown" never replaces a type. Returns how many families found no room.
  std::size_t note(std::span<const MetricMetadata> metadata) EXCLUDES(mutex_);

  /// Returns what is known of one family.
  std::optional<Entry> find(std::string_view family) const EXCLUDES(mutex_);
  /// Returns everything. Cost: a copy.
  Entries entries() const EXCLUDES(mutex_);
  std::size_t size() const EXCLUDES(mutex_);

 private:
  const Limits limits_;
  mutable base::Mutex mutex_;
  Entries entries_ GUARDED_BY(mutex_);
};

/// The name of a type as text, or nullopt: the reverse of to_string(MetricType).
std::optional<MetricType> parse_metric_type(std::string_view text);

/// Returns the type of a *series* from what is known about families, which is not the same thing: a
/// histogram's `x_bucket`, `x_sum` and `x_count` are counters, a summary's `x` is a gauge, and
/// OpenMetrics describes the counter `x_total` under `x`. `find` is asked for a family's type.
template <class Find>
MetricType series_type(std::string_view name, Find find) {
  const auto own = find(name);
  if (own && *own != MetricType::Unknown) {
    return *own == MetricType::Summary ? MetricType::Gauge : *own;
  }
  for (const std::string_view suffix : {"_bucket", "_sum", "_count", "_total"}) {
    if (!name.ends_with(suffix)) continue;
    const auto family = find(name.substr(0, name.size() - suffix.size()));
    if (!family) return MetricType::Unknown;
    const bool parts = *family == MetricType::Histogram || *family == MetricType::Summary;
    if (suffix == "_total") {
      return *family == MetricType::Counter ? MetricType::Counter : MetricType::Unknown;
    }
    return parts ? MetricType::Counter : MetricType::Unknown;
  }
  return MetricType::Unknown;
}

}  // namespace tocsin::model
