// The state store, as the incident engine and the notifier see it: durable state and the outbox.
//
// A page is never lost and never doubled because one commit() holds both the new state and the
// intent to notify. What is stored is in state_records.h. The bodies of alerts, groups and
// incidents are bytes that only their owner reads (alertd/incident/record_codec.h), those of kept
// records JSON text; the columns beside them are what queries need.
//
// Two daemons on one store: only the holder of the lease writes. Every acquisition has a new epoch,
// and each write is checked against it inside its own transaction, so that a daemon that was
// stopped for a while cannot write over its successor. The lease's clock is the store's.
//
// Asynchronous like HttpClient: every `done` is posted to the caller's executor, in order of the
// calls. Implementations: state::SqliteStateStore (production), FakeStateStore (tests); one shared
// test suite, tests/sim/state/state_store_suite.h.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "alertd/incident/delivery_batch.h"
#include "alertd/incident/state_records.h"
#include "common/base/executor.h"
#include "common/base/result.h"

namespace tocsin::incident {

template <class T>
using Done = std::function<void(base::Result<T>)>;

/// Thread: all from any; `done` is posted to `reply_on`.
/// Errors of all: Unavailable (busy, queue full, no connection, shutting down; try later), Io
/// (disk; retried by the caller too, the operator is told), Corruption (a stored body or the file
/// is damaged). Errors of what writes or claims also: Cancelled (another daemon has the lease: stop
/// sending at once, forget everything in memory and wait for the lease).
class StateStore {
 public:
  virtual ~StateStore() = default;

  /// Reads what the engine needs; incidents resolved before `resolved_since` are left out.
  virtual void load(base::WallTime resolved_since, base::Executor& reply_on,
                    Done<LoadedState> done) = 0;

  /// Makes the whole change durable or nothing of it. After an error the outcome may be unknown:
  /// commit the same change again.
  /// Errors also: InvalidArgument, LimitExceeded (those of check(); nothing is written).
  virtual void commit(std::shared_ptr<const StateChange> change, base::Executor& reply_on,
                      Done<void> done) = 0;
  void commit(StateChange change, base::Executor& reply_on, Done<void> done) {
    commit(std::make_shared<const StateChange>(std::move(change)), reply_on, std::move(done));
  }

  /// Reads up to `limit` pending rows whose id is greater, due or not, oldest id first, and claims
  /// them for the holder of the lease: nobody else gets them until it has lost the lease.
  virtual void pending_after(std::int64_t after_id, std::size_t limit, base::Executor& reply_on,
                             Done<std::vector<WaitingRow>> done) = 0;

  /// Records the whole batch in one transaction. An error of one row is in the outcome and hinders
  /// no other; an error in `done` means that nothing, or an unknown part, was written: record the
  /// same again.
  virtual void record(DeliveryBatch batch, base::Executor& reply_on,
                      Done<DeliveryBatchOutcome> done) = 0;

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

  /// Lists decisions, newest first.
  virtual void decisions(DecisionQuery query, base::Executor& reply_on,
                         Done<std::vector<DecisionRecord>> done) = 0;

  /// Lists the audit trail, newest first.
  virtual void audit(AuditQuery query, base::Executor& reply_on,
                     Done<std::vector<StoredAudit>> done) = 0;

  /// Walks the whole audit trail and recomputes each hash.
  /// Cost: reads every row; the store's other callers wait meanwhile (a second for 500,000 rows).
  virtual void verify_audit(base::Executor& reply_on, Done<AuditVerdict> done) = 0;

  /// What the channel returned for the messages of an incident, in order of sending; the newest
  /// kReceiptsMax. Deliveries without a receipt are left out.
  virtual void receipts(ReceiptQuery query, base::Executor& reply_on,
                        Done<std::vector<Receipt>> done) = 0;

  /// Forgets incidents resolved before `before` with their timeline and finished deliveries, and
  /// decisions made before `decisions_before` or beyond the newest kDecisionsKept. The audit trail
  /// stays. Returns how many incidents went.
  virtual void prune(base::WallTime before, base::WallTime decisions_before,
                     base::Executor& reply_on, Done<std::uint64_t> done) = 0;

  /// Takes the lease for `holder` if nobody else has it, and says who has it now. Held already by
  /// this store: renewed, with the same epoch. `holder` names the daemon, not the process: started
  /// again, it has its lease at once, with a new epoch.
  /// Errors: InvalidArgument (those of check_lease).
  virtual void acquire_lease(std::string holder, base::Duration duration, base::Executor& reply_on,
                             Done<Lease> done) = 0;

  /// Extends the lease that this store took: `duration` from now.
  /// Errors also: Cancelled (lost or never taken).
  virtual void renew_lease(base::Duration duration, base::Executor& reply_on, Done<Lease> done) = 0;

  /// Gives the lease back, so that the other daemon need not wait for its end. Without one: ok.
  virtual void release_lease(base::Executor& reply_on, Done<void> done) = 0;

  /// Copies everything as it is at one moment after the call into a new file at `path`, while other
  /// calls go on; it can be opened in place of ours. Errors also: InvalidArgument (not kept in a
  /// file).
  virtual void copy_to(std::string path, base::Executor& reply_on, Done<void> done);
};

}  // namespace tocsin::incident
