// An incident: what people work on, opened by a group of alerts and closed when they are gone.
//
// One group has at most one incident that is not resolved. States: open, acknowledged, resolved.
// The functions here are the only ones that change an incident; each writes its line of the
// timeline. Source: shared/reference/routing.md, section 6, "Incident states".
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "alertd/incident/audience.h"
#include "alertd/incident/dependency.h"
#include "alertd/incident/escalation.h"
#include "alertd/incident/state_store.h"
#include "common/base/boxed.h"
#include "common/base/shared_text.h"
#include "common/config/table.h"

namespace tocsin::routing {
struct Group;
}

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
  /// How long "why was nobody called" can be answered.
  base::Duration decisions = std::chrono::hours(24 * 30);
  std::size_t alerts_per_notification = 500;
  /// Receiver name -> names of its channels.
  std::map<std::string, std::vector<std::string>> receivers;
  oncall::Directory directory;  ///< Persons, teams, schedules.
  Policies policies;
  Dependencies dependencies;
  /// Services and audiences; never null.
  std::shared_ptr<const Communication> communication = std::make_shared<const Communication>();
  bool hold_dependents = false;  ///< What depends on an open incident waits until that is over.
  base::Duration change_window = std::chrono::hours(1);  ///< Changes so recent are listed.
  /// More incidents than this opening within storm_window at one receiver are a storm; 0: never.
  std::size_t storm_incidents = 20;
  base::Duration storm_window = std::chrono::minutes(1);
  std::size_t fleet_hosts = 0;  ///< How many hosts there are; 0: unknown.

  /// Resolved incidents so old may still be needed: to be reopened, or for the next digest.
  base::Duration look_back() const {
    return std::max<base::Duration>(reopen_window, std::chrono::hours(50));
  }
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
  base::SharedText group_key;
  base::SharedText route;
  base::SharedText receiver;
  model::Labels group_labels;
  base::SharedText title;
  IncidentState state = IncidentState::Open;
  model::Severity severity = model::Severity::Medium;       ///< Of the worst firing member.
  model::Severity peak_severity = model::Severity::Medium;  ///< Never lowered.
  base::WallTime opened_at;
  base::WallTime updated_at;
  base::Boxed<Acknowledgement> acknowledgement;  ///< Only while Acknowledged.
  std::optional<base::WallTime> resolved_at;
  base::SharedText resolved_by;  ///< Empty: by itself.
  base::SharedText comment;      ///< Of who resolved it.
  /// Resolved by a person while it fires: looked at again then.
  std::optional<base::WallTime> reopen_at;
  bool manual = false;      ///< Made by a person: no alerts, lives until somebody resolves it.
  base::SharedText policy;  ///< Of a manual one; empty: by severity.
  base::SharedText owner;   ///< Who leads; empty: nobody.
  /// Nothing is told before, unless it becomes worse than it was then.
  std::optional<base::WallTime> snoozed_until;
  model::Severity snoozed_severity = model::Severity::Medium;
  bool snoozed_news = false;  ///< Something came meanwhile that nobody was told of.
  /// Set by a person; holds until the alerts become worse than they were then.
  std::optional<model::Severity> severity_set;
  model::Severity severity_of_alerts = model::Severity::Medium;
  std::int64_t merged_into = 0;       ///< It is told as a part of that incident; 0: by itself.
  std::set<std::string> services;     ///< Declared ones that its alerts belong to.
  std::int64_t root = 0;              ///< Probably because of that incident; 0: unknown.
  std::int64_t held_for = 0;          ///< Nobody is told before that one is over; 0: told.
  std::vector<std::int64_t> related;  ///< Open at the same time, with labels in common.
  bool storm = false;                 ///< Its parts are told as one; over when they are.
  std::optional<base::WallTime> storm_update_at;  ///< It has news; told then.
  std::optional<base::WallTime> mitigated_at;
  std::optional<base::WallTime> reviewed_at;
  std::uint32_t reopened = 0;
  std::int64_t previous = 0;  ///< Number of the group's incident before, if known; else 0.
  /// Who was told that it fires: they hear of an acknowledgement and of the end, nobody else does.
  Addresses told;
  model::Severity policy_severity = model::Severity::Critical;  ///< The worst it was looked for.
  base::Boxed<Escalation> escalation;       ///< None: the route's receiver is told alone.
  std::optional<base::WallTime> digest_at;  ///< Has news for the digest; it leaves then.
  std::uint64_t notifications = 0;          ///< Sequence of the last one.
  std::uint64_t events = 0;                 ///< Sequence of the last line of the timeline.
  /// What is stored says that the lines up to this one are there; those of reports that are awaited
  /// are among them, and come without the incident being written again. After a restart the
  /// timeline goes on behind it.
  std::uint64_t events_stored = 0;
  std::uint32_t reports_awaited = 0;  ///< Of messages since the start. Not stored.

  /// Its group, if this is the current incident of it and the engine knows; the engine's. Not
  /// stored.
  const routing::Group* group = nullptr;

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

/// Errors: InvalidArgument (resolved already).
base::Result<void> must_be_open(const Incident& incident);

/// Open or acknowledged -> acknowledged. Errors: InvalidArgument (resolved).
base::Result<void> acknowledge(Incident& incident, Acknowledgement acknowledgement,
                               Timeline& timeline);

/// Acknowledged -> open; `why` goes into the timeline as its kind.
void unacknowledge(Incident& incident, base::WallTime now, std::string why, std::string actor,
                   Timeline& timeline);

/// -> resolved. `actor` empty: by itself. Errors: InvalidArgument (already resolved).
base::Result<void> resolve(Incident& incident, base::WallTime now, std::string actor,
                           std::string comment, Timeline& timeline);

/// Resolved -> open.
void reopen(Incident& incident, base::WallTime now, std::string text, Timeline& timeline);

}  // namespace tocsin::incident
