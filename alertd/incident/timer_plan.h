// Which incidents a step has to look at by itself: those that are due, and those held for another.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/base/time.h"

namespace tocsin::incident {

/// Numbers of incidents, by when they are due and by what they wait for. Owner: one thread.
class TimerPlan {
 public:
  struct Entry {
    std::optional<base::WallTime> due;
    std::int64_t root = 0;  ///< Held until this incident is over; 0: not held.
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  /// Replaces what is known of the incident; an empty entry forgets it.
  void set(std::int64_t number, const Entry& entry);
  Entry of(std::int64_t number) const;

  std::optional<base::WallTime> next_due() const;
  /// Earliest first.
  std::vector<std::int64_t> due_at(base::WallTime now) const;
  /// In order of number.
  std::vector<std::int64_t> held_for(std::int64_t root) const;

 private:
  std::unordered_map<std::int64_t, Entry> entries_;
  std::set<std::pair<base::WallTime, std::int64_t>> due_;
  std::set<std::pair<std::int64_t, std::int64_t>> held_;  ///< Root, number.
};

}  // namespace tocsin::incident
