// Escalation policies: who is told next when nobody reacts.
//
// A policy is an ordered list of steps, each with a delay after the one before and with targets.
// When the last step is through, the steps are gone through again (`loops` times), and then
// everybody who was told is reminded. An incident keeps a copy of the policy it began with:
// a reload changes the next incident, not one that people work on.
// Source: shared/reference/routing.md, section 6, "Escalation policy defaults".
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "alertd/oncall/directory.h"
#include "common/model/severity.h"

namespace tocsin::incident {

struct PolicyStep {
  /// After the step before was handed on; of the first step: after the incident opened.
  base::Duration after{0};
  std::vector<oncall::Target> notify;
  bool important = false;  ///< Persons are told through their important receiver.
  /// Only at these hours, in the zone of the person told (of receivers: the policy's).
  std::vector<timezone::Hours> hours;
  bool skip_outside = false;  ///< Outside of hours: not at all. Else: as soon as they begin.
  /// Only if at least so many alerts fire, begun within `within` (0: whenever).
  std::size_t alerts_min = 0;
  base::Duration within{0};
  std::optional<model::Severity> severity_min;  ///< Only for incidents at least so severe.
  friend bool operator==(const PolicyStep&, const PolicyStep&) = default;
};

struct Policy {
  std::string name;
  timezone::Zone zone;  ///< Of digest, and of hours where a receiver is told.
  std::vector<PolicyStep> steps;
  std::uint32_t loops = 0;       ///< How often more the steps are gone through.
  base::Duration loop_every{0};  ///< From the last step to the first of the next loop.
  /// Afterwards everybody told is reminded so often; 0: never (Critical: hourly all the same).
  base::Duration then{0};
  std::vector<oncall::Target> fallback;  ///< When nobody is on call, or a step reached nobody.
  std::optional<std::chrono::minutes> digest;  ///< One message a day, then.
  friend bool operator==(const Policy&, const Policy&) = default;

  /// Returns how long after the last step of a loop something happens; nullopt: nothing does.
  std::optional<base::Duration> after_last(std::uint32_t loop, model::Severity severity) const;
};

/// All policies of the configuration.
struct Policies {
  std::map<std::string, Policy> by_name;
  std::array<std::string, 4> by_severity;  ///< By Severity; empty: none.

  /// Returns the policy of a route that names one, else of the severity; nullptr: none, the
  /// route's receiver is told alone.
  const Policy* choose(const std::string& route_policy, model::Severity severity) const;
};

/// Returns the policies that hold where none are configured but schedules are: the table of
/// docs/escalation.md, with the schedules, teams and persons there are.
Policies default_policies(const oncall::Directory& directory);

/// How often Critical is repeated at least, once its policy is through.
inline constexpr base::Duration kCriticalRepeat = std::chrono::hours(1);

}  // namespace tocsin::incident
