// Why an alert is not told of although it fires: a set of reasons beside it, never a state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "alertd/routing/reason.h"

namespace tocsin::routing {

/// Of one alert. Computed from silences, inhibition and maintenance, never stored.
struct Suppression {
  std::vector<std::string> silenced_by;     ///< Ids.
  std::vector<std::uint64_t> inhibited_by;  ///< Fingerprints.
  std::vector<std::string> maintained_by;   ///< Names.

  bool any() const {
    return !silenced_by.empty() || !inhibited_by.empty() || !maintained_by.empty();
  }
  friend bool operator==(const Suppression&, const Suppression&) = default;
  /// Returns the reason that is named first, in the order in which they are looked at.
  std::optional<Reason> reason() const {
    if (!inhibited_by.empty()) return Reason::Inhibited;
    if (!silenced_by.empty()) return Reason::Silenced;
    if (!maintained_by.empty()) return Reason::Maintenance;
    return std::nullopt;
  }
};

/// Of a group: its route is quiet at this time.
struct Mute {
  Reason reason = Reason::MuteTime;    ///< Or OutsideActiveTime.
  std::vector<std::string> intervals;  ///< Names; empty: not muted.

  bool any() const { return !intervals.empty(); }
  friend bool operator==(const Mute&, const Mute&) = default;
};

/// Returns "outside time interval 'office hours'" for people; empty: not muted.
std::string describe(const Mute& mute);

}  // namespace tocsin::routing
