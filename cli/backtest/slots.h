// The instants at which a rule group is evaluated: the same in a backtest as in the daemon.
#pragma once

#include <cstddef>

#include "alertd/ruler/group.h"
#include "common/base/time.h"

namespace tocsin::backtest {

/// begin, begin + step, ...: `count` instants.
struct Slots {
  base::WallTime begin;
  base::Duration step{60'000};
  std::size_t count = 0;

  base::WallTime at(std::size_t index) const {
    return begin + step * static_cast<std::int64_t>(index);
  }
  base::WallTime last() const { return at(count - 1); }
  /// Returns `length` of them, from the one at `first` on.
  Slots part(std::size_t first, std::size_t length) const { return {at(first), step, length}; }
  friend bool operator==(const Slots&, const Slots&) = default;
};

/// Returns the group's slots in [from, to], both inclusive.
inline Slots slots_of(const ruler::RuleGroup& group, base::WallTime from, base::WallTime to) {
  base::WallTime begin = ruler::slot_before(group, from);
  if (begin < from) begin += group.interval;
  if (begin > to) return {begin, group.interval, 0};
  return {begin, group.interval, static_cast<std::size_t>((to - begin) / group.interval) + 1};
}

}  // namespace tocsin::backtest
