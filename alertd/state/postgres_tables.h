// The queries of the state store on PostgreSQL, one function each, blocking.
//
// Every writing transaction begins by locking the lease's row for reading and comparing its epoch
// with the one this store took: a successor must wait for us, and we notice a successor.
#pragma once

#include <memory>

#include "alertd/state/blocking_store.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/postgres/connection.h"

namespace tocsin::state {

/// Owns the connection: makes it at the first call, and again, with growing pauses, after it broke.
/// The lease outlives a connection. Thread: one.
class PostgresTables final : public BlockingStore {
 public:
  PostgresTables(postgres::Settings settings, const base::Clock& clock)
      : settings_(std::move(settings)), clock_(clock) {}

  /// Connects, and brings the schema up to date, if there is no connection.
  /// Errors: those of postgres::Connection::connect and migrate_postgres; Unavailable (too early to
  /// try again).
  base::Result<void> prepare() override;
  bool recover() override;

  base::Result<incident::LoadedState> load(base::WallTime resolved_since) override;
  base::Result<void> commit(const incident::StateChange& change) override;
  base::Result<std::vector<incident::WaitingRow>> pending_after(std::int64_t after_id,
                                                                std::size_t limit) override;
  base::Result<incident::DeliveryBatchOutcome> record(
      const incident::DeliveryBatch& batch) override;
  base::Result<void> attempt_started(std::int64_t row_id, std::uint32_t attempt,
                                     base::WallTime at) override;
  base::Result<void> attempt_finished(const incident::AttemptResult& result) override;
  base::Result<std::vector<incident::IncidentRecord>> incidents(
      const incident::IncidentQuery& query) override;
  base::Result<incident::IncidentDetail> incident(const std::string& id) override;
  base::Result<std::vector<incident::DecisionRecord>> decisions(
      const incident::DecisionQuery& query) override;
  base::Result<std::vector<incident::StoredAudit>> audit(
      const incident::AuditQuery& query) override;
  base::Result<incident::AuditVerdict> verify_audit() override;
  base::Result<std::vector<incident::Receipt>> receipts(
      const incident::ReceiptQuery& query) override;
  base::Result<std::uint64_t> prune(base::WallTime before,
                                    base::WallTime decisions_before) override;
  base::Result<incident::Lease> acquire_lease(const std::string& holder,
                                              base::Duration duration) override;
  base::Result<incident::Lease> renew_lease(base::Duration duration) override;
  base::Result<void> release_lease() override;

 private:
  /// Errors: Cancelled, naming both epochs.
  base::Result<void> check_epoch(postgres::Transaction& transaction);
  base::Result<void> connect();
  base::Result<void> settle(postgres::Transaction& transaction, const incident::SettledRow& row);
  base::Result<void> start_attempt(postgres::Transaction& transaction,
                                   const incident::AttemptStart& start);
  base::Result<void> finish_attempt(postgres::Transaction& transaction,
                                    const incident::AttemptResult& result);
  base::Result<void> prune_decisions(base::WallTime before);

  postgres::Settings settings_;
  const base::Clock& clock_;
  std::unique_ptr<postgres::Connection> connection_;
  base::FailureLog failures_{"alertd/state"};
  base::Duration pause_{0};  ///< After the last failure to connect.
  base::MonotonicTime next_try_{};
  std::string holder_;
  std::uint64_t epoch_ = 0;  ///< Of the lease that was taken last; 0: none.
};

}  // namespace tocsin::state
