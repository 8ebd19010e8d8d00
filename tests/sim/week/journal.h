// What a week's run left behind, for the checker: what reached the channels, what the store holds,
// and what was done to the daemon and when.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "alertd/incident/state_records.h"
#include "tests/sim/week/plan.h"

namespace tocsin::week {

/// One attempt that reached a channel.
struct Send {
  base::WallTime at;
  std::string channel;  ///< "receiver/channel"
  std::string key;
  std::string incident;  ///< Empty: a digest, a hand-over, a summary.
  std::string failover_for;
  incident::NotificationKind kind = incident::NotificationKind::Firing;
  std::uint64_t sequence = 0;
  std::size_t boot = 0;  ///< Which life of the process sent it, from 1.
  bool taken = false;    ///< The channel has it.
  bool answered = true;  ///< The daemon was told what became of it, unless it died meanwhile.
  bool said_repeat = false;
};

struct Span {
  base::WallTime from;
  base::WallTime to;
  bool contains(base::WallTime at) const { return at >= from && at < to; }
};

/// A silence or a maintenance that a person made, once the daemon said yes.
struct Hidden {
  Matchers matchers;
  base::WallTime asked;
  base::WallTime from;  ///< When it was answered.
  base::WallTime to;    ///< Its end as asked; or when it was asked to end early.
  base::WallTime over;  ///< When it is over for sure.
  bool maintenance = false;
};

/// What the daemon says about an alert at one moment.
struct Probe {
  base::WallTime at;
  std::size_t life = 0;           ///< Number of the plan's life.
  std::set<std::string> reasons;  ///< Names of routing::Reason.
};

struct Journal {
  std::vector<Send> sends;
  std::vector<incident::OutboxRow> rows;  ///< By id; all that ever were.
  /// Digests and the like that were sent: the store forgets them early.
  std::vector<incident::Notification> others;
  std::map<std::string, std::vector<incident::TimelineEvent>> timelines;  ///< By incident.
  std::map<std::string, incident::IncidentState> states;                  ///< At the end.
  std::vector<Span> down;  ///< Nothing of the daemon runs; the last ones of `to` are open.
  std::vector<Span> store_fails;
  std::vector<Hidden> hidden;
  std::vector<OverrideSpec> overrides;                          ///< By persons, once answered.
  std::vector<std::pair<base::WallTime, std::size_t>> configs;  ///< From when on which one.
  std::vector<Probe> probes;
  base::WallTime ended;          ///< When the world was stopped.
  std::vector<std::string> log;  ///< What was done, for people.
  std::size_t crashes = 0;
  std::size_t commands = 0;
  std::size_t commands_refused = 0;
  std::size_t alerts_refused = 0;
  std::string hash;  ///< Of all sends: the same run gives the same.

  const Config& config(const Plan& plan, base::WallTime at) const;
};

/// Returns the reasons for silence that were recorded about a life of the plan between the two.
/// The one place that knows where they are kept.
std::set<std::string> recorded_reasons(const Journal& journal, std::size_t life,
                                       base::WallTime from, base::WallTime to);

}  // namespace tocsin::week
