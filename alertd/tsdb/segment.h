// A segment: full chunks on disk, mapped, found by series through an index at the file's end.
//
// Immutable: written once (segment_writer.h), made one with others (segment_merge.h), dropped as a
// whole. Nothing of it is kept in memory for each series. Any byte may be wrong: what is read is
// checked, a bad index is made anew from the records, a bad record is left out; such a segment says
// so, and the store then copies what is good and puts the file aside.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alertd/tsdb/segment_format.h"
#include "common/base/file_system.h"
#include "common/base/mutex.h"

namespace tocsin::tsdb {

/// What a segment says about itself.
struct SegmentInfo {
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;
  std::uint64_t samples = 0;  ///< 0 if the footer is damaged.
  std::int64_t first_ms = 0;
  std::int64_t last_ms = 0;
  std::vector<std::uint64_t> replaces;  ///< Segments that this one was made of.
};

/// Thread: any; what is read first by whoever comes first is locked inside.
class Segment {
 public:
  /// Maps the file. Damage is no error: see damaged(). Errors: NotFound, Io.
  static base::Result<std::shared_ptr<const Segment>> open(const base::FileSystem& files,
                                                           const std::string& folder,
                                                           std::uint64_t number);

  const SegmentInfo& info() const { return info_; }
  bool overlaps(std::int64_t begin_ms, std::int64_t end_ms) const {
    return info_.first_ms <= end_ms && info_.last_ms >= begin_ms;
  }
  /// Whether damage was found so far: in footer or index when opened, or in a record read since.
  bool damaged() const { return damaged_.load(std::memory_order_relaxed); }

  /// Appends the chunks of a series that overlap [begin_ms, end_ms]; they are valid as long as the
  /// segment is.
  void find(SeriesRef ref, std::int64_t begin_ms, std::int64_t end_ms,
            std::vector<StoredChunk>& chunks) const;
  /// Whether the index has the series in that time.
  bool has(SeriesRef ref, std::int64_t begin_ms, std::int64_t end_ms) const;

  /// The index: records in the order of refs (labels have 0), of one ref in the order of time.
  std::uint64_t records() const;
  IndexEntry entry(std::uint64_t record) const;
  /// Returns the payload of a record, or nullopt (and remembers the damage).
  std::optional<std::string_view> payload(const IndexEntry& entry) const;
  /// Returns where a good record begins (its length), or null.
  const char* record_address(const IndexEntry& entry) const {
    return payload(entry) ? file_.data() + entry.offset : nullptr;
  }
  /// Visits the labels of all series; those in damaged records are missing.
  void visit_series(const SeriesVisit& visit) const;
  /// Reads the index and checks it; else that happens when it is used first. Returns its size.
  std::size_t check_index() const { return index().size(); }

  /// Whether the address is in this segment's mapping.
  bool holds(const char* address) const {
    return address >= file_.data() && address < file_.data() + file_.size();
  }
  void release_pages() const { mapped_->release_pages(); }

 private:
  Segment(std::unique_ptr<base::MappedFile> mapped, std::uint64_t number);
  std::string_view index() const EXCLUDES(mutex_);
  void read_replaced();
  static std::uint64_t first_of(SeriesRef ref, std::string_view index);
  template <class Visit>  // bool visit(const IndexEntry&)
  void each_of(SeriesRef ref, std::int64_t begin_ms, std::int64_t end_ms, Visit visit) const;
  struct Scan;
  Scan scan() const;
  void note_damage(std::string_view what, std::uint64_t offset) const;

  std::unique_ptr<base::MappedFile> mapped_;
  std::string_view file_;
  SegmentInfo info_;
  std::optional<SegmentFooter> footer_;
  mutable std::atomic<bool> damaged_{false};
  mutable std::atomic<bool> ready_{false};  // index_ is good
  mutable base::Mutex mutex_;
  mutable std::string rebuilt_ GUARDED_BY(mutex_);
  mutable std::string_view index_;  // of the file, or of rebuilt_; constant once ready_
};

using SegmentPtr = std::shared_ptr<const Segment>;

/// The segments there are at one moment. Immutable. Thread: any.
class SegmentSet {
 public:
  SegmentSet() = default;
  /// Sorts them by their first time.
  explicit SegmentSet(std::vector<SegmentPtr> segments);

  const std::vector<SegmentPtr>& all() const { return segments_; }
  /// Of the newest sample in any of them.
  std::int64_t last_ms() const { return last_ms_; }
  bool overlaps(std::int64_t begin_ms, std::int64_t end_ms) const;
  /// As Segment; sorted by the chunks' first time, and for equal ones the older segment first.
  void find(SeriesRef ref, std::int64_t begin_ms, std::int64_t end_ms,
            std::vector<StoredChunk>& chunks) const;
  bool has(SeriesRef ref, std::int64_t begin_ms, std::int64_t end_ms) const;
  /// Returns the value of a series at exactly this time.
  std::optional<double> value_at(SeriesRef ref, std::int64_t timestamp_ms) const;
  /// Returns the newest sample of a series.
  std::optional<model::Sample> newest(SeriesRef ref) const;

 private:
  std::vector<SegmentPtr> segments_;
  std::int64_t last_ms_ = std::numeric_limits<std::int64_t>::min();
};

using SegmentSetPtr = std::shared_ptr<const SegmentSet>;

}  // namespace tocsin::tsdb
