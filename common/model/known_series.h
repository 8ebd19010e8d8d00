// Series that a sender sent before: found again by one hash of the bytes that stood for its labels,
// so that a repeated request is neither taken apart nor looked up label by label.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/model/labels.h"

namespace tocsin::model {

/// Where the store keeps a series. The labels stay alive with this; whether the series is still
/// there is checked by whoever uses it.
struct KnownSeries {
  std::shared_ptr<const Labels> labels;
  std::uint32_t slot = 0xffffffff;
  bool heard = false;  ///< Its samples interest somebody by name; see ingest.
};

/// What one sender sent, in the order in which it came: the next series is where the last one's
/// successor is, which costs a comparison and no look-up.
///
/// Grows only, so that batches in flight may point into it; who owns it drops the whole when it is
/// worn out. Owner: one thread at a time; entries are read by any thread that holds the table.
class KnownSeriesTable {
 public:
  KnownSeriesTable() = default;
  KnownSeriesTable(const KnownSeriesTable&) = delete;
  KnownSeriesTable& operator=(const KnownSeriesTable&) = delete;

  /// Returns the series whose key this is, or null. Cheapest for the successor of the last one.
  const KnownSeries* find(std::uint64_t key) {
    if (next_ < size_ && entry(next_).key == key) return &entry(next_++).series;
    return look_up(key);
  }
  /// Notes a series; an older one with this key is forgotten.
  void add(std::uint64_t key, KnownSeries series);

  std::size_t size() const { return size_; }
  /// Entries that add() replaced: memory that only a new table gives back.
  std::size_t replaced() const { return replaced_; }

 private:
  struct Entry {
    std::uint64_t key = 0;
    KnownSeries series;
  };
  static constexpr std::size_t kBlock = 256;

  Entry& entry(std::size_t index) { return blocks_[index / kBlock][index % kBlock]; }
  const Entry& entry(std::size_t index) const { return blocks_[index / kBlock][index % kBlock]; }
  const KnownSeries* look_up(std::uint64_t key);
  std::size_t place_of(std::uint64_t key) const;
  void rebuild(std::size_t capacity);

  std::vector<std::unique_ptr<Entry[]>> blocks_;  // entries stay where they are
  std::vector<std::uint32_t> places_;             // open addressing: index + 1, 0 is free
  std::size_t size_ = 0;
  std::size_t next_ = 0;
  std::size_t replaced_ = 0;
};

}  // namespace tocsin::model
