// An incident: what people work on, opened by a group of alerts and closed when they are gone.
//
// One group has at most one incident that is not resolved. States: open, acknowledged, resolved.
// The functions here are the only ones that change an incident; each writes its line of the
// timeline. Source: shared/reference/routing.md, section 6, "Incident states".
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "alertd/incident/escalation.h"
#include "alertd/incident/state_store.h"
#include "common/config/table.h"

namespace tocsin::incident {

/// What `[incident]` of alertd.toml says, and the receivers of the notifier's part.
struct IncidentSettings {
  /// How long an acknowledgement holds when the person does not say; by Severity.
  std::array<base::Duration, 4> ack_expiry{std::chrono::hours(24), std::chrono::hours(8),
                                           std::chrono::hours(2), std::chrono::minutes(30)};
  /// Resolved by a person and still firing after this: reopened.
  base::Duration manual_hold = std::chrono::minutes(15);
  /// Firing again within this after the resolve: the same incident goes on.
  base::Duration reopen_window = std::chrono::minutes(30);
  /// No alert times out for so long after a start or a jump of the clock: twice the time within
  /// which senders repeat what fires.
  base::Duration startup_grace = std::chrono::minutes(5);
  /// Resolved incidents are kept in the store for so long.
  base::Duration history = std::chrono::hours(24 * 400);
  std::size_t alerts_per_notification = 500;
  /// Receiver name -> names of its channels.
  std::map<std::string, std::vector<std::string>> receivers;
  oncall::Directory directory;  ///< Persons, teams, schedules.
  Policies policies;
};

/// Reads `[incident]`, and finishes the table (resolve_hold is read by routing::read_routing
/// before).
IncidentSettings read_incident_settings(config::Table& table);

struct Acknowledgement {
  std::string by;
  std::string comment;
  base::WallTime at;
  base::WallTime until;
  model::Severity severity = model::Severity::Medium;  ///< As it was known to the person.
};

struct Incident {
  std::int64_t number = 0;
  std::string group_key;
  std::string route;
  std::string receiver;
  model::Labels group_labels;
  std::string title;
  IncidentState state = IncidentState::Open;
  model::Severity severity = model::Severity::Medium;       ///< Of the worst firing member.
  model::Severity peak_severity = model::Severity::Medium;  ///< Never lowered.
  base::WallTime opened_at;
  base::WallTime updated_at;
  std::optional<Acknowledgement> acknowledgement;  ///< Only while Acknowledged.
  std::optional<base::WallTime> resolved_at;
  std::string resolved_by;  ///< Empty: by itself.
  std::string comment;      ///< Of who resolved it.
  /// Resolved by a person while it fires: looked at again then.
  std::optional<base::WallTime> reopen_at;
  std::uint32_t reopened = 0;
  std::int64_t previous = 0;  ///< Number of the group's incident before, if known; else 0.
  /// Who was told that it fires: they hear of an acknowledgement and of the end, nobody else does.
  Addresses told;
  model::Severity policy_severity = model::Severity::Critical;  ///< The worst it was looked for.
  std::optional<Escalation> escalation;     ///< None: the route's receiver is told alone.
  std::optional<base::WallTime> digest_at;  ///< Has news for the digest; it leaves then.
  std::uint64_t notifications = 0;          ///< Sequence of the last one.
  std::uint64_t events = 0;                 ///< Sequence of the last line of the timeline.

  std::string id() const { return incident_id(number); }
  /// Returns "T-" and the number.
  static std::string incident_id(std::int64_t number);
  bool resolved() const { return state == IncidentState::Resolved; }
};

using Timeline = std::vector<TimelineEvent>;

/// Adds a line to the timeline.
void add_event(Incident& incident, base::WallTime now, std::string kind, std::string actor,
               std::string text, Timeline& timeline);

/// Takes over the severity of the worst firing member, and the peak; says so when it changes.
void set_severity(Incident& incident, model::Severity severity, base::WallTime now,
                  Timeline& timeline);

/// Open or acknowledged -> acknowledged. Errors: InvalidArgument (resolved).
base::Result<void> acknowledge(Incident& incident, Acknowledgement acknowledgement,
                               Timeline& timeline);

/// Acknowledged -> open; `why` goes into the timeline as its kind.
void unacknowledge(Incident& incident, base::WallTime now, std::string why, std::string actor,
                   Timeline& timeline);

/// -> resolved. `actor` empty: by itself.
/// Errors: InvalidArgument (already resolved).
base::Result<void> resolve(Incident& incident, base::WallTime now, std::string actor,
                           std::string comment, Timeline& timeline);

/// Resolved -> open.
void reopen(Incident& incident, base::WallTime now, std::string text, Timeline& timeline);

}  // namespace tocsin::incident
