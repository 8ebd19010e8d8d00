#include "common/model/known_series.h"

#include <algorithm>
#include <utility>

namespace tocsin::model {
namespace {

constexpr std::size_t kPlacesMin = 64;

}  // namespace

// The place of the key, or the free one where it belongs. The table is never full.
std::size_t KnownSeriesTable::place_of(std::uint64_t key) const {
  const std::size_t mask = places_.size() - 1;
  std::size_t at = static_cast<std::size_t>(key) & mask;
  while (places_[at] != 0 && entry(places_[at] - 1).key != key) at = (at + 1) & mask;
  return at;
}

const KnownSeries* KnownSeriesTable::look_up(std::uint64_t key) {
  if (places_.empty()) return nullptr;
  const std::uint32_t place = places_[place_of(key)];
  if (place == 0) return nullptr;
  next_ = place;  // the one after it
  return &entry(place - 1).series;
}

void KnownSeriesTable::rebuild(std::size_t capacity) {
  std::vector<std::uint32_t> old(capacity);
  old.swap(places_);
  for (const std::uint32_t place : old) {
    if (place != 0) places_[place_of(entry(place - 1).key)] = place;
  }
}

void KnownSeriesTable::add(std::uint64_t key, KnownSeries series) {
  if ((size_ - replaced_ + 1) * 4 > places_.size() * 3) {
    rebuild(std::max(kPlacesMin, places_.size() * 2));
  }
  if (size_ % kBlock == 0) blocks_.push_back(std::make_unique<Entry[]>(kBlock));
  Entry& added = entry(size_++);
  added.key = key;
  added.series = std::move(series);
  std::uint32_t& place = places_[place_of(key)];
  if (place != 0) ++replaced_;
  place = static_cast<std::uint32_t>(size_);
}

}  // namespace tocsin::model
