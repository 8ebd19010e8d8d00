#include "alertd/tsdb/series_table.h"

#include "common/base/check.h"
#include "common/base/hash.h"

namespace tocsin::tsdb {
namespace {

/// What selectors can be brought up to date with, 24 bytes each; after more they are resolved anew.
constexpr std::size_t kRecentMax = 16'384;

std::uint32_t hash_of(std::string_view packed) {
  return static_cast<std::uint32_t>(base::hash64(packed));
}

}  // namespace

Slot SeriesTable::find(std::string_view packed) const {
  const std::uint32_t hash = hash_of(packed);
  const std::size_t mask = entries_.size() - 1;
  for (std::size_t at = hash & mask;; at = (at + 1) & mask) {
    const Entry& entry = entries_[at];
    if (entry.slot == kNoSlot) return kNoSlot;
    if (entry.hash == hash && slots_[entry.slot]->labels().packed() == packed) return entry.slot;
  }
}

void SeriesTable::insert(Entry entry) {
  const std::size_t mask = entries_.size() - 1;
  std::size_t at = entry.hash & mask;
  while (entries_[at].slot != kNoSlot) at = (at + 1) & mask;
  entries_[at] = entry;
}

void SeriesTable::rebuild(std::size_t capacity) {
  std::vector<Entry> old(capacity);
  old.swap(entries_);
  for (const Entry& entry : old) {
    if (entry.slot != kNoSlot && slots_[entry.slot] != nullptr) insert(entry);
  }
}

Slot SeriesTable::adopt(Series series) {
  if ((size_ + 1) * 4 > entries_.size() * 3) rebuild(entries_.size() * 2);
  Slot slot = 0;
  if (free_.empty()) {
    slot = static_cast<Slot>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  slots_[slot] = std::make_shared<Series>(std::move(series));
  const Series& added = *slots_[slot];
  insert({hash_of(added.labels().packed()), slot});
  postings_.add(slot, added.labels());
  saw_ref(added.ref());
  ++size_;
  ++additions_;
  recent_.push_back({added.ref(), slot, hash_of(added.labels().metric_name())});
  if (recent_.size() > kRecentMax) recent_.pop_front();
  return slot;
}

bool SeriesTable::added_since(std::uint64_t since, std::string_view metric,
                              std::vector<Slot>& slots) const {
  const std::uint64_t count = additions_ - since;
  if (count > recent_.size()) return false;
  const std::uint32_t hash = hash_of(metric);
  for (auto at = recent_.end() - static_cast<std::ptrdiff_t>(count); at != recent_.end(); ++at) {
    if (at->metric_hash != hash) continue;
    const auto& series = slots_[at->slot];
    if (series != nullptr && series->ref() == at->ref) slots.push_back(at->slot);
  }
  return true;
}

void SeriesTable::remove(std::span<const Slot> slots) {
  if (slots.empty()) return;
  postings_.remove(slots, [&](Slot slot) -> const model::Labels& { return at(slot).labels(); });
  for (const Slot slot : slots) {
    TC_DCHECK(slots_[slot] != nullptr, "slot is free");
    slots_[slot]->removed = true;
    slots_[slot].reset();
    free_.push_back(slot);
    --size_;
  }
  ++removals_;
  // Open addressing has no cheap removal; retention removes in bulk and seldom.
  rebuild(entries_.size());
}

}  // namespace tocsin::tsdb
