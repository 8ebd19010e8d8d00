// The state of routing as plain data: alerts, groups, and what was last notified of each group.
//
// Stored after every change and read back after a restart, so it holds absolute times, never
// timers.
#pragma once

#include <boost/container/flat_map.hpp>
#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "alertd/routing/suppression.h"
#include "common/base/shared_text.h"
#include "common/base/time.h"
#include "common/model/alert.h"

namespace tocsin::routing {

using Fingerprint = std::uint64_t;

/// Returns the decision log's name for an alert.
std::string alert_subject(Fingerprint fingerprint);

struct Group;
struct AlertEntry;
struct Route;

/// An alert's standing in one group.
struct Member {
  model::Severity severity = model::Severity::Medium;
  bool resolved = false;
  bool held = false;  ///< It flaps: resolved, but that is not said yet. Not stored.
  /// Why it is not told of now although it fires (Silenced, Inhibited, Maintenance). Not stored.
  std::optional<Reason> hidden{};
  base::WallTime since;               ///< Of the standing.
  const AlertEntry* alert = nullptr;  ///< Itself; null outside of a pipeline. Not stored.
};

/// An alert as routing knows it.
struct AlertEntry {
  /// One of the groups that it is a member of; most alerts are in one.
  struct Place {
    Group* group;
    Member* member;
  };

  model::Alert alert;
  Fingerprint fingerprint = 0;
  /// Taken as resolved then; alert.valid_until, but never before the grace after a start.
  base::WallTime expires_at;
  boost::container::small_vector<Place, 1> places;  ///< By the groups' keys.
  bool resolved = false;

  // Not stored.
  bool timeout = true;        ///< Its end is only that nobody sent it again.
  std::uint32_t dirty = 0;    ///< Its place among those that changed, from 1; the pipeline's.
  base::WallTime changed_at;  ///< When it began or ceased to fire last.
  base::WallTime expiry_noted = base::WallTime::max();  ///< Its item among the Expiries.
  std::unique_ptr<const Suppression> hidden_by;         ///< Null: nothing hides it.

  const Suppression& suppression() const;
  /// Returns null if it is no member.
  Member* member_of(const Group& group) const;
  /// Returns whether a group may tell of it as firing: one that flaps does so while its resolve is
  /// held.
  bool shown_firing() const;
  /// Returns it as it is told of as a member of a group.
  model::Alert as_told(const Member& member) const;
};

using AlertTable = std::unordered_map<Fingerprint, AlertEntry>;

/// What was said last about a group. Source of the idea: Alertmanager's notification log.
struct NotifyLog {
  using Firing = boost::container::flat_map<
      Fingerprint, model::Severity, std::less<Fingerprint>,
      boost::container::small_vector<std::pair<Fingerprint, model::Severity>, 1>>;
  Firing firing;  ///< As they were said to fire.
  base::WallTime at;
};

/// Alerts that are told of together.
struct Group {
  base::SharedText key;
  base::SharedText route;  ///< Its name; it may be configured no more.
  base::SharedText receiver;
  model::Labels labels;
  std::map<Fingerprint, Member> members;
  NotifyLog log;
  base::WallTime created_at;
  base::WallTime next_turn;                   ///< End of group_wait or of group_interval.
  std::optional<base::WallTime> early_turn;   ///< Something worse came in.
  std::optional<base::WallTime> resolved_at;  ///< Since when no member fires.
  bool waited = false;                        ///< group_wait is over.
  bool repeats_held = false;                  ///< Acknowledged: do not say the same again.

  // Not stored; computed from the rest.
  std::uint32_t place = 0;           ///< In the GroupTable.
  const Route* its_route = nullptr;  ///< As configured; the root if it is no more. The pipeline's.
  bool overflow = false;             ///< Holds what found no place in a group of its own.
  bool visible = false;              ///< Some member fires and is not hidden.
  bool news = false;                 ///< Some member is resolved and still here.
  std::optional<Reason> forced;      ///< The next turn speaks for this reason.
  Mute mute;                         ///< The route is quiet now.
  struct Turn {
    base::WallTime at;
    std::uint32_t place = 0;  ///< In the line of that moment.
    bool urgent = false;
  };
  std::optional<Turn> turn;  ///< Its place among those that wait; the pipeline's.
  std::uint32_t dirty = 0;   ///< Its place among those that changed, from 1; the pipeline's.
  bool touched = false;      ///< The step that runs has to look at it; the pipeline's.

  /// Returns whether some member fires that is told of, or was.
  bool firing() const { return !resolved_at && !members.empty(); }
  /// Returns whether all that fires is hidden, or the route is muted: escalation waits meanwhile.
  bool suppressed() const { return mute.any() || !visible; }
  /// Returns the severity of the worst firing member that is not hidden; if there is none, of the
  /// worst firing one; if there is none, of the worst.
  model::Severity severity() const;
};

}  // namespace tocsin::routing
