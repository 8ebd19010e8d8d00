// An incident as it was at some time, read from its timeline.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "alertd/incident/state_records.h"

namespace tocsin::story {

/// What its lines up to now say about an incident.
struct IncidentThen {
  std::string state = "open";  ///< "open", "acknowledged" or "resolved".
  bool resolved_by_person = false;
  /// Why nobody is told any more although it is open: "acknowledged by ann until ..."; empty: no
  /// reason of the incident's own.
  std::string held;
  std::string merged_into;  ///< Id; empty: by itself.
  std::string trouble;      ///< Why a step told nobody, last; empty: it told somebody.
};

/// Replays the lines, oldest first.
IncidentThen replay(std::span<const incident::TimelineEvent> timeline);

}  // namespace tocsin::story
