// The state store, as the incident engine and the notifier see it: durable state and the outbox.
//
// A page is never lost and never doubled because one commit() holds both the new state and the
// intent to notify. The bodies of alerts, groups and incidents are JSON text that only the engine
// reads (alertd/incident/json_codec.h); the columns beside them are what queries need.
//
// Asynchronous like HttpClient: every `done` is posted to the caller's executor, in order of the
// calls. Implementations: state::SqliteStateStore (production), FakeStateStore (tests); one shared
// test suite, tests/sim/state/state_store_suite.h.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "alertd/incident/notification.h"
#include "common/base/executor.h"
#include "common/base/result.h"

namespace tocsin::incident {

/// A stored thing that only its owner can read.
struct Record {
  std::string key;   ///< Alert: fingerprint in hexadecimal. Group: group key.
  std::string body;  ///< JSON.
};

struct IncidentRecord {
  std::string id;           ///< "T-1042"
  std::int64_t number = 0;  ///< 1042
  std::string group_key;
  std::string title;
  IncidentState state = IncidentState::Open;
  model::Severity severity = model::Severity::Medium;
  model::Severity peak_severity = model::Severity::Medium;
  base::WallTime opened_at;
  base::WallTime updated_at;
  std::optional<base::WallTime> resolved_at;
  std::string body;  ///< JSON; everything else.
};

/// One line of an incident's timeline. (incident_id, sequence) is unique.
struct TimelineEvent {
  std::string incident_id;
  std::uint64_t sequence = 0;  ///< From 1, in order.
  base::WallTime at;
  std::string kind;   ///< "opened", "acknowledged", "notified", "delivered", ...
  std::string actor;  ///< A person or token; empty: the daemon itself.
  std::string text;   ///< For people.
};

/// All that changes in one step of the engine. Committing the same change twice equals once.
struct StateChange {
  std::vector<Record> alerts_upsert;
  std::vector<std::string> alerts_delete;
  std::vector<Record> groups_upsert;
  std::vector<std::string> groups_delete;
  std::vector<IncidentRecord> incidents_upsert;
  std::vector<TimelineEvent> events;
  std::vector<Notification>
      outbox;  ///< Due at created_at; a key that exists already is left as it is.

  bool empty() const;
};

/// Where a delivery stands.
enum class DeliveryState { Pending, Delivered, Dead };

/// Returns "pending", "delivered" or "dead".
std::string_view to_string(DeliveryState state);
std::optional<DeliveryState> parse_delivery_state(std::string_view text);

/// One message on its way.
struct OutboxRow {
  std::int64_t id = 0;  ///< Grows in order of commit.
  Notification notification;
  DeliveryState state = DeliveryState::Pending;
  std::uint32_t attempts = 0;  ///< Started so far.
  /// An attempt was started and its end was never recorded (crash): the receiver may have it
  /// already.
  bool outcome_unknown = false;
  base::WallTime due;
};

/// More incidents are never listed at once.
inline constexpr std::size_t kIncidentsMax = 1000;
/// What is kept of an attempt's text, in bytes.
inline constexpr std::size_t kAttemptTextMax = 1024;

/// Returns what AttemptRecord::outcome says: "delivered", "retry" or "dead".
std::string_view attempt_outcome(DeliveryState state);

struct PendingRows {
  std::vector<OutboxRow> rows;             ///< Due rows, oldest id first.
  std::optional<base::WallTime> next_due;  ///< Earliest pending row that is not due yet.
};

/// How one attempt ended.
struct AttemptResult {
  std::int64_t row_id = 0;
  std::uint32_t attempt = 0;                     ///< As given to attempt_started.
  DeliveryState state = DeliveryState::Pending;  ///< Pending: try again at next_due.
  base::WallTime next_due;                       ///< Only for Pending.
  base::WallTime finished_at;
  base::Duration latency{0};
  std::string text;  ///< For people: "HTTP 503", "accepted as 1.2.3". At most 1 KiB is kept.
};

/// One attempt, for the timeline.
struct AttemptRecord {
  std::uint32_t attempt = 0;
  base::WallTime started_at;
  std::optional<base::WallTime> finished_at;  ///< Missing: the outcome is unknown.
  base::Duration latency{0};
  std::string outcome;  ///< "delivered", "retry", "dead"; empty if unknown.
  std::string text;
};

struct DeliveryRecord {
  OutboxRow row;
  std::vector<AttemptRecord> attempts;
};

struct IncidentDetail {
  IncidentRecord incident;
  std::vector<TimelineEvent> timeline;
  std::vector<DeliveryRecord> deliveries;
};

struct IncidentQuery {
  std::optional<IncidentState> state;
  bool unresolved_only = false;
  std::optional<model::Severity> severity;
  std::optional<std::int64_t> number_below;  ///< For paging: only older ones.
  std::size_t limit = 100;                   ///< At most 1000.
};

/// Everything needed to go on after a restart.
struct LoadedState {
  std::vector<Record> alerts;
  std::vector<Record> groups;
  std::vector<IncidentRecord> incidents;  ///< Unresolved, or resolved since the asked time.
  std::int64_t last_incident_number = 0;  ///< Never used again, even if that incident was pruned.
};

template <class T>
using Done = std::function<void(base::Result<T>)>;

/// Thread: all from any; `done` is posted to `reply_on`.
/// Errors of all: Unavailable (busy, queue full, shutting down; try later), Io (disk; retried by
/// the caller too, the operator is told), Corruption (a stored body or the file is damaged).
class StateStore {
 public:
  virtual ~StateStore() = default;

  /// Reads what the engine needs; incidents resolved before `resolved_since` are left out.
  virtual void load(base::WallTime resolved_since, base::Executor& reply_on,
                    Done<LoadedState> done) = 0;

  /// Makes the whole change durable or nothing of it. After an error the outcome may be unknown:
  /// commit the same change again.
  virtual void commit(StateChange change, base::Executor& reply_on, Done<void> done) = 0;

  /// Reads up to `limit` rows that are pending and due at `now`.
  virtual void pending(base::WallTime now, std::size_t limit, base::Executor& reply_on,
                       Done<PendingRows> done) = 0;

  /// Records that attempt number `attempt` (from 1) begins. Send only after `done` has said ok.
  /// Errors also: NotFound (no such row), InvalidArgument (the row is finished).
  virtual void attempt_started(std::int64_t row_id, std::uint32_t attempt, base::WallTime at,
                               base::Executor& reply_on, Done<void> done) = 0;

  /// Records how the attempt ended. Saying the same twice equals once.
  /// Errors also: NotFound (no such row or attempt).
  virtual void attempt_finished(AttemptResult result, base::Executor& reply_on,
                                Done<void> done) = 0;

  /// Lists incidents, newest first.
  virtual void incidents(IncidentQuery query, base::Executor& reply_on,
                         Done<std::vector<IncidentRecord>> done) = 0;

  /// Reads one incident with its timeline and deliveries. Errors also: NotFound.
  virtual void incident(std::string id, base::Executor& reply_on, Done<IncidentDetail> done) = 0;

  /// Forgets incidents resolved before `before`, with their timeline and finished deliveries.
  /// Returns how many incidents went.
  virtual void prune(base::WallTime before, base::Executor& reply_on, Done<std::uint64_t> done) = 0;
};

}  // namespace tocsin::incident
