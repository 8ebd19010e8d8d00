// All series of the head: by slot, by labels, and by label value.
//
// Labels -> slot is an open-addressing table of (32 bits of hash, slot): eight bytes an entry where
// a node based map takes over forty. Slots are reused once a series is gone; SeriesRef never is.
#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "alertd/tsdb/postings.h"
#include "alertd/tsdb/series.h"

namespace tocsin::tsdb {

/// Owner: the store thread, under the head's lock.
class SeriesTable {
 public:
  SeriesTable() : entries_(1024) {}

  /// Returns the slot of the series with these packed labels, or kNoSlot.
  Slot find(std::string_view packed) const;
  /// Whether the slot still is the series with these labels, by their address.
  bool holds(Slot slot, const model::Labels* labels) const {
    return slot < slots_.size() && slots_[slot] != nullptr && &slots_[slot]->labels() == labels;
  }
  /// Adds a series; its labels must not be there yet.
  Slot adopt(Series series);
  /// Removes series and their index entries; `slots` sorted.
  void remove(std::span<const Slot> slots);

  Series& at(Slot slot) { return *slots_[slot]; }
  /// Returns the series, or null if the slot is free.
  const std::shared_ptr<Series>& get(Slot slot) const { return slots_[slot]; }
  /// One more than the highest slot in use.
  Slot slot_end() const { return static_cast<Slot>(slots_.size()); }
  std::size_t size() const { return size_; }
  const Postings& postings() const { return postings_; }

  /// Series ever added, and how often series were removed: to tell what changed since.
  std::uint64_t additions() const { return additions_; }
  std::uint64_t removals() const { return removals_; }
  /// Appends the slots of the series of one metric that were added after additions() was `since`
  /// and are still there. Returns false if that is too long ago.
  bool added_since(std::uint64_t since, std::string_view metric, std::vector<Slot>& slots) const;

  SeriesRef next_ref() { return SeriesRef{++last_ref_}; }
  void saw_ref(SeriesRef ref) { last_ref_ = std::max(last_ref_, ref.value); }

 private:
  struct Entry {
    std::uint32_t hash = 0;
    Slot slot = kNoSlot;
  };
  struct Addition {
    SeriesRef ref;
    Slot slot = kNoSlot;
    std::uint32_t metric_hash = 0;
  };
  void insert(Entry entry);
  void rebuild(std::size_t capacity);

  std::vector<std::shared_ptr<Series>> slots_;
  std::vector<Slot> free_;
  std::vector<Entry> entries_;  // capacity is a power of two, at most 3/4 full
  std::size_t size_ = 0;
  std::uint64_t last_ref_ = 0;
  std::deque<Addition> recent_;  // the last of all additions
  std::uint64_t additions_ = 0;
  std::uint64_t removals_ = 0;
  Postings postings_;
};

}  // namespace tocsin::tsdb
