// A hash table of small values in one array: a look-up costs one miss of the cache, not three.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace tocsin::base {

/// Values by 64-bit hashes that the caller makes (base/hash.h), who tells apart what has the same
/// hash. Open addressing; `Value` is cheap to copy, and the one made by default means "none", as a
/// null pointer does. Owner: one thread.
template <class Value>
class HashTable {
 public:
  std::size_t size() const { return size_; }
  void clear() { *this = {}; }

  /// Returns the value of that hash for which `is(value)` holds, or none.
  template <class Is>
  Value find(std::uint64_t hash, const Is& is) const {
    return slots_.empty() ? Value() : slots_[place_of(hash, is)].value;
  }

  /// Takes the place of the one that find() would find.
  template <class Is>
  void put(std::uint64_t hash, Value value, const Is& is) {
    if (4 * (size_ + 1) > 3 * slots_.size()) grow();
    Slot& slot = slots_[place_of(hash, is)];
    if (slot.value == Value()) ++size_;
    slot = {hash, value};
  }

  /// Removes the one that find() would find.
  template <class Is>
  void erase(std::uint64_t hash, const Is& is) {
    if (slots_.empty()) return;
    std::size_t hole = place_of(hash, is);
    if (slots_[hole].value == Value()) return;
    // What stands further on because its own place was taken moves up.
    for (std::size_t next = after(hole); slots_[next].value != Value(); next = after(next)) {
      if (distance(home(slots_[next].hash), next) < distance(hole, next)) continue;
      slots_[hole] = slots_[next];
      hole = next;
    }
    slots_[hole] = {};
    --size_;
  }

 private:
  struct Slot {
    std::uint64_t hash = 0;
    Value value{};
  };

  std::size_t home(std::uint64_t hash) const { return hash & (slots_.size() - 1); }
  std::size_t after(std::size_t place) const { return (place + 1) & (slots_.size() - 1); }
  std::size_t distance(std::size_t from, std::size_t to) const {
    return (to - from) & (slots_.size() - 1);
  }

  /// Returns the place of the value, or the free one where it would be.
  template <class Is>
  std::size_t place_of(std::uint64_t hash, const Is& is) const {
    std::size_t place = home(hash);
    while (slots_[place].value != Value() &&
           (slots_[place].hash != hash || !is(slots_[place].value))) {
      place = after(place);
    }
    return place;
  }

  void grow() {
    constexpr std::size_t kSlotsMin = 16;
    std::vector<Slot> old(std::max(kSlotsMin, 2 * slots_.size()));
    std::swap(old, slots_);
    for (const Slot& slot : old) {
      if (slot.value == Value()) continue;
      slots_[place_of(slot.hash, [](const Value&) { return false; })] = slot;
    }
  }

  std::vector<Slot> slots_;  ///< None, or a power of two, of which at most three quarters are used.
  std::size_t size_ = 0;
};

}  // namespace tocsin::base
