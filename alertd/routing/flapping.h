// Flapping: an alert that changes all the time is one message, not one for each change.
//
// So many changes within the window make it flap; it stops when fewer than half as many are left in
// the window. Remembered in memory only: after a restart it counts anew. Source:
// shared/reference/routing.md, section 6, "Alert states".
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "alertd/routing/routing.h"

namespace tocsin::routing {

/// Thread: the owner's.
class Flapping {
 public:
  void set_rules(FlapRules rules);

  /// Notes that the alert began or ceased to fire; returns whether it just began to flap.
  ///
  /// `before` is its last change before this one, the epoch if there was none (or it was forgotten,
  /// see advance()): most alerts change so seldom that nothing else is kept of them.
  bool changed(Fingerprint alert, base::WallTime before, base::WallTime now);
  bool flaps(Fingerprint alert) const;
  /// Returns the alerts that do not flap any more; their changes until now do not count any more.
  std::vector<Fingerprint> advance(base::WallTime now);
  std::optional<base::WallTime> next_due() const;

 private:
  struct Record {
    std::vector<base::WallTime> changes;  ///< The last ones, at most as many as the rule needs.
    bool flaps = false;
    base::WallTime due;  ///< Stops to flap, or is forgotten.
  };

  FlapRules rules_;
  std::unordered_map<Fingerprint, Record> records_;
  std::set<std::pair<base::WallTime, Fingerprint>> due_;
};

}  // namespace tocsin::routing
