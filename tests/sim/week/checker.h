// The promises of the daemon, checked over what a week left behind.
//
// Works on the plan and the journal only: what the engine decided is compared with what the oracle
// (oracle.h) says ought to be. checker_test.cc proves for each promise that its breach is found.
#pragma once

#include "tests/sim/week/journal.h"

namespace tocsin::week {

struct Violation {
  base::WallTime at;
  std::string promise;  ///< "once", "order", "ends", "hidden", "told", "steps", "persons", "digest"
  std::string text;
};

/// Returns every breach, by time.
///
/// once: a channel takes a key once, except across a crash or a lost answer that was owned up to.
/// order: in a lane later messages come later, resolved after firing, and it is said at last.
/// ends: every message is delivered, replaced or given up, with a reason, and in time.
/// hidden: nothing silenced, under maintenance, inhibited or muted is told to fire.
/// told: what fires long enough is told, or there is a recorded reason that is true.
/// steps: no step before its time, and none left out.
/// persons: a step tells those who are on call then, and nobody else.
/// digest: what waits for a digest is in it.
std::vector<Violation> check(const Plan& plan, const Journal& journal);

/// Returns what happened within a span, for people.
std::string trace(const Plan& plan, const Journal& journal, Span within);

}  // namespace tocsin::week
