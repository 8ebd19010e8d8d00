// The engine's incidents: in order of their numbers, and the current one of each group.
//
// Numbers only grow and incidents end in any order, so a sorted vector of pointers finds one with a
// look at its likely place, and an end leaves a hole until half of it is holes. A group is looked
// up by the hash of its key in a table that points at the incidents: the key itself stands there
// once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string_view>
#include <type_traits>
#include <vector>

#include "alertd/incident/incident.h"
#include "common/base/hash_table.h"

namespace tocsin::incident {

/// Owner: one thread. References stay valid until the incident is erased.
class IncidentTable {
  struct Slot {
    std::int64_t number = 0;
    std::unique_ptr<Incident> incident;  ///< Null: erased.
  };

 public:
  /// In order of number, and back.
  template <class Value>
  class Iterator {
   public:
    using iterator_category = std::bidirectional_iterator_tag;
    using value_type = std::remove_const_t<Value>;
    using difference_type = std::ptrdiff_t;
    using pointer = Value*;
    using reference = Value&;

    Iterator() = default;
    Value& operator*() const { return *at_->incident; }
    Value* operator->() const { return at_->incident.get(); }
    Iterator& operator++() {
      ++at_;
      skip();
      return *this;
    }
    Iterator operator++(int) {
      Iterator old = *this;
      ++*this;
      return old;
    }
    Iterator& operator--() {
      do {
        --at_;
      } while (!at_->incident);
      return *this;
    }
    Iterator operator--(int) {
      Iterator old = *this;
      --*this;
      return old;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.at_ == b.at_; }

   private:
    friend class IncidentTable;
    Iterator(const Slot* at, const Slot* end) : at_(at), end_(end) { skip(); }
    void skip() {
      while (at_ != end_ && !at_->incident) ++at_;
    }
    const Slot* at_ = nullptr;
    const Slot* end_ = nullptr;
  };

  /// Its number must be new; it becomes the current one of its group, if it is the newest of it.
  Incident& add(Incident incident);
  void erase(std::int64_t number);

  /// Returns nullptr if there is none.
  Incident* find(std::int64_t number) { return found(number); }
  const Incident* find(std::int64_t number) const { return found(number); }
  /// There must be one.
  Incident& at(std::int64_t number);
  /// Returns the newest one of the group, or nullptr.
  Incident* of_group(std::string_view key) { return current(key); }
  const Incident* of_group(std::string_view key) const { return current(key); }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  Iterator<Incident> begin() { return {slots_.data(), slots_.data() + slots_.size()}; }
  Iterator<Incident> end() { return {last(), last()}; }
  Iterator<const Incident> begin() const { return {slots_.data(), last()}; }
  Iterator<const Incident> end() const { return {last(), last()}; }
  auto rbegin() const { return std::reverse_iterator(end()); }
  auto rend() const { return std::reverse_iterator(begin()); }

 private:
  const Slot* last() const { return slots_.data() + slots_.size(); }
  /// Returns the first place whose number is not smaller.
  std::size_t place_of(std::int64_t number) const;
  Incident* found(std::int64_t number) const;
  Incident* current(std::string_view group_key) const;

  std::vector<Slot> slots_;            ///< By number, holes included.
  std::size_t size_ = 0;               ///< Without the holes.
  base::HashTable<Incident*> groups_;  ///< Of each its newest incident; by the hash of its key.
};

}  // namespace tocsin::incident
