// Where an incident stands in its policy, and whom a step means at this moment.
//
// Timers are data (absolute times in the incident), so that a restart restores them and a late look
// runs an overdue step once. Step n+1 is due its delay after step n was handed on, that is: after
// its messages were committed to the outbox. The functions here are pure; engine_escalation.cc
// sends what they say.
#pragma once

#include <boost/container/flat_set.hpp>
#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "alertd/incident/policy.h"
#include "common/base/shared_text.h"
#include "common/base/time.h"

namespace tocsin::incident {

/// One channel of one receiver: what a message goes to.
struct Address {
  base::SharedText receiver;
  base::SharedText channel;
  friend auto operator<=>(const Address&, const Address&) = default;
};
using Addresses = boost::container::flat_set<Address>;

/// A person of a step whose hours have not begun.
struct Waiting {
  std::string person;
  std::string receiver;
  base::WallTime at;
  std::size_t step = 0;  ///< Which one means the person, from 1; 0: an older release did not say.
  friend bool operator==(const Waiting&, const Waiting&) = default;
};

/// Kept with the incident.
struct Escalation {
  Policy policy;           ///< As it was when the incident opened.
  std::uint32_t loop = 0;  ///< From 0.
  std::uint32_t step = 0;  ///< The next one; all of them: the loop is through.
  /// When the next step is due; none: acknowledged, paused, waiting for hours, or through.
  std::optional<base::WallTime> due;
  std::optional<base::Duration> remaining;  ///< Paused by a silence or a maintenance: the rest.
  std::vector<Waiting> waiting;
  /// Of the last step: the deliveries that may still succeed, and from which sequence on.
  Addresses outstanding;
  std::uint64_t step_sequence = 0;  ///< 0: the last step reached somebody, or nobody is to be.

  /// Returns how long after now the next step is due, once the last one was handed on; nullopt:
  /// never.
  std::optional<base::Duration> next_delay(model::Severity worst) const;
  /// Returns "step 2 of 4, loop 1" for people; the step that was run last.
  std::string position() const;
};

/// What a step is resolved against.
struct StepWorld {
  const oncall::Directory& directory;
  const std::map<std::string, std::vector<std::string>>& receivers;
  std::string_view route_receiver;
  base::WallTime now;
};

/// Whom a step means.
struct Recipients {
  Addresses now;
  std::vector<Waiting> later;
  std::vector<std::string> notes;  ///< "schedule:primary: ada", for the timeline.
  bool skipped = false;            ///< Somebody is left out because of the hours.
  bool nobody = false;  ///< Persons were meant, and there is none (nobody on call, a name is gone).
};

/// Resolves the step's targets at `world.now`: on-call persons, teams, receivers, hours.
Recipients resolve(const PolicyStep& step, const Policy& policy, const StepWorld& world);

/// Returns why the step's condition does not hold, or nullopt if it does. `began`: when the firing
/// alerts began.
std::optional<std::string> refused(const PolicyStep& step, model::Severity severity,
                                   std::span<const base::WallTime> began, base::WallTime now);

/// Returns the next time at or after `now` that is the digest's.
base::WallTime next_digest(const Policy& policy, base::WallTime now);

}  // namespace tocsin::incident
