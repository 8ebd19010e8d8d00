// When alerts time out: a heap with one item for each that fires, however often it is sent again.
//
// Nearly every alert is sent again before its time is over, and then it only notes the new time:
// the item is set right when it comes to the top.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "alertd/routing/group.h"

namespace tocsin::routing {

/// Alerts by AlertEntry::expires_at, those of one time by fingerprint. Owner: the pipeline.
class Expiries {
 public:
  /// `alerts` is the pipeline's table, which outlives this.
  explicit Expiries(AlertTable& alerts) : alerts_(alerts) {}

  /// The alert fires until entry.expires_at, whatever was said before. (One that is resolved or
  /// gone needs no word.)
  void set(AlertEntry& entry);
  /// Returns one that is over at `now`, and forgets it; nullptr: none is.
  AlertEntry* take_over(base::WallTime now);
  /// Returns when the first alert is over; nullopt: none fires. It may be a time too early after
  /// changes, until settle().
  std::optional<base::WallTime> next() const;
  void settle();
  std::size_t size() const { return heap_.size(); }

 private:
  using Item = std::pair<base::WallTime, Fingerprint>;

  void push(AlertEntry& entry);
  void pop();
  void rebuild();

  AlertTable& alerts_;
  std::vector<Item> heap_;  ///< The earliest first.
};

}  // namespace tocsin::routing
