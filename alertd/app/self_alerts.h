// Alerts of the daemon's own about a state: those that fire now, and the end of those that did.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "common/model/alert.h"

namespace tocsin::alertd {

/// Remembers what it told, so that what fires no longer is told as ended, several times: one post
/// may be refused. Usage: sink.post(alerts.step(firing, now)). Owner: one thread.
class SelfAlerts {
 public:
  /// Returns what to post now: all that fires, and what ended.
  std::vector<model::Alert> step(std::vector<model::Alert> firing, base::WallTime now);

 private:
  std::map<std::uint64_t, std::pair<model::Alert, int>> told_;  ///< With the endings told.
};

}  // namespace tocsin::alertd
