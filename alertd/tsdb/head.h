// The head: the series table and the list of segments, with their lock. Writing for the store
// thread, reading for all.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "alertd/tsdb/segment.h"
#include "alertd/tsdb/select_cache.h"
#include "alertd/tsdb/series_table.h"
#include "common/base/mutex.h"
#include "common/model/appender.h"
#include "common/model/series_source.h"

namespace tocsin::tsdb {

/// Timestamps that are accepted, both inclusive.
struct TimeRange {
  std::int64_t first_ms = std::numeric_limits<std::int64_t>::min();
  std::int64_t last_ms = std::numeric_limits<std::int64_t>::max();
};

/// What applying one batch did.
struct Applied {
  model::AppendOutcome outcome;
  std::uint64_t samples_over_series_limit = 0;
  std::uint64_t sealed_bytes = 0;  ///< Of chunks that became full.
};

/// What retention did.
struct Dropped {
  std::uint64_t series = 0;
  std::uint64_t chunk_bytes_left = 0;
  std::uint64_t sealed_bytes_left = 0;  ///< Of those: full chunks, in no segment yet.
};

/// A series of which a segment has been written.
struct WrittenSeries {
  Slot slot = kNoSlot;
  SeriesRef ref;
  std::int64_t last_ms = 0;  ///< Of the sealed chunks that it has.
  const char* record = nullptr;
};

/// The one lock that readers and the store thread share. The functions up to `newest_ms` are for
/// the store thread only.
class Head {
 public:
  /// What readers see under the lock.
  struct View {
    const SeriesTable& table;
    const SegmentSetPtr& segments;
  };

  Head(const AppendRules& rules, std::size_t series_max)
      : rules_(rules), series_max_(series_max), segments_(std::make_shared<const SegmentSet>()) {}

  /// Calls `load(table)` before anybody else knows this object.
  template <class Load>
  auto load(Load load) EXCLUDES(mutex_) {
    const base::WriterLock lock(mutex_);
    return load(table_);
  }
  /// Calls `visit(table)` for reading.
  template <class Visit>
  auto read(Visit visit) const EXCLUDES(mutex_) {
    const base::ReaderLock lock(mutex_);
    return visit(table_);
  }
  /// Calls `visit(view)` for reading.
  template <class Visit>
  auto view(Visit visit) const EXCLUDES(mutex_) {
    const base::ReaderLock lock(mutex_);
    return visit(View{table_, segments_});
  }

  /// Finds or makes the series of a batch: one slot each, kNoSlot for those over a limit.
  /// Returns the number of series made; they are not logged yet.
  std::uint64_t resolve(const model::WriteBatch& batch, std::vector<Slot>& slots) EXCLUDES(mutex_);
  /// Puts the samples into the series found by resolve().
  Applied apply(const model::WriteBatch& batch, std::span<const Slot> slots, const TimeRange& range)
      EXCLUDES(mutex_);
  /// Drops chunks before `cutoff_ms`, and series that have none left.
  Dropped drop_before(std::int64_t cutoff_ms) EXCLUDES(mutex_);
  /// The series in the slot; only its `logged` may be changed.
  Series& series(Slot slot) EXCLUDES(mutex_);
  /// Of the newest sample.
  std::int64_t newest_ms() const { return newest_ms_; }
  void find_newest() EXCLUDES(mutex_);

  /// Readers see these segments from now on.
  void publish(SegmentSetPtr segments) EXCLUDES(mutex_);
  /// Calls settle() on a series; false if there is nothing to write or it is gone.
  bool settle(Slot slot, std::int64_t idle_before_ms) EXCLUDES(mutex_);
  /// Drops from memory what a published segment has.
  void written(std::span<const WrittenSeries> series) EXCLUDES(mutex_);
  /// No series points into a segment of which `goes(record)` is true; before it is unmapped.
  void forget_records(const std::function<bool(const char*)>& goes) EXCLUDES(mutex_);

  /// As SeriesSource. Thread: any.
  base::Result<std::unique_ptr<model::SeriesSet>> select(std::span<const model::Matcher> matchers,
                                                         const TimeRange& range,
                                                         const model::SelectLimits& limits) const
      EXCLUDES(mutex_);
  /// Returns the series that satisfy the matchers, whatever their age; `key` is
  /// SelectCache::key_of(matchers). Returns `known` (may be null), an earlier answer, if it still
  /// holds. Thread: any.
  ResolvedPtr resolved(std::span<const model::Matcher> matchers, const std::string& key,
                       ResolvedPtr known) const EXCLUDES(mutex_);
  std::vector<std::string> label_values(std::string_view name,
                                        std::span<const model::Matcher> matchers) const
      EXCLUDES(mutex_);
  std::vector<std::string> label_names(std::span<const model::Matcher> matchers) const
      EXCLUDES(mutex_);
  std::size_t series_count() const EXCLUDES(mutex_);
  /// Series by owner (WriteBatch::owner), as far as each was written since the start.
  std::vector<std::uint64_t> series_by_owner() const EXCLUDES(mutex_);

 private:
  Slot predicted(Slot previous, std::span<const model::LabelView> labels) const
      REQUIRES_SHARED(mutex_);
  std::vector<std::shared_ptr<Series>> matching(std::span<const model::Matcher> matchers) const
      REQUIRES_SHARED(mutex_);
  bool changes_since(const ResolvedSeries& known, std::span<const model::Matcher> matchers,
                     std::vector<std::shared_ptr<Series>>& added,
                     std::vector<std::uint32_t>& kept) const REQUIRES_SHARED(mutex_);
  void remove(std::span<const Slot> slots) EXCLUDES(mutex_);
  void own(Series& series, std::uint16_t owner) REQUIRES(mutex_);
  std::uint64_t make_missing(const model::WriteBatch& batch, std::span<const std::size_t> missing,
                             std::vector<Slot>& slots) EXCLUDES(mutex_);

  AppendRules rules_;
  std::size_t series_max_;
  std::int64_t newest_ms_ = std::numeric_limits<std::int64_t>::min();
  Slot previous_ = kNoSlot;  // the last slot of the last batch
  std::string packed_;       // scratch
  mutable SelectCache cache_;
  mutable base::SharedMutex mutex_;
  SeriesTable table_ GUARDED_BY(mutex_);
  SegmentSetPtr segments_ GUARDED_BY(mutex_);
  std::vector<std::uint64_t> owner_series_ GUARDED_BY(mutex_);  // by WriteBatch::owner
};

}  // namespace tocsin::tsdb
