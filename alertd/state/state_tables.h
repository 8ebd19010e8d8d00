// The queries of the state store, one function each, blocking. The asynchronous side is
// sqlite_state_store.h.
#pragma once

#include "alertd/state/blocking_store.h"
#include "alertd/state/fresh_rows.h"
#include "alertd/state/history.h"
#include "alertd/state/incident_rows.h"
#include "alertd/state/record_log.h"
#include "alertd/state/sqlite.h"

namespace tocsin::state {

/// Thread: the connection's. Errors and meaning: alertd/incident/state_store.h, same names.
class StateTables : public BlockingStore {
 public:
  explicit StateTables(Database& database);

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
  // The file is locked for this process: whoever has it open has the lease.
  base::Result<incident::Lease> acquire_lease(const std::string& holder,
                                              base::Duration duration) override;
  base::Result<incident::Lease> renew_lease(base::Duration duration) override;
  base::Result<void> release_lease() override;
  base::Result<std::unique_ptr<Copy>> begin_copy(const std::string& path) override;

 private:
  /// A transaction; what is known of the tables in memory is forgotten unless commit() was reached.
  class Writing {
   public:
    explicit Writing(StateTables& tables) : tables_(tables), transaction_(tables.database_) {}
    ~Writing();
    Writing(const Writing&) = delete;
    Writing& operator=(const Writing&) = delete;
    base::Result<void> begin();
    base::Result<void> commit();

   private:
    StateTables& tables_;
    Transaction transaction_;
    bool committed_ = false;
  };

  base::Result<bool> has_rows_to_adopt();
  base::Result<void> adopt_rows();
  /// Before rows of the outbox, or of incidents, are read by SQL: all of them are there then.
  base::Result<void> bring_messages_out();
  base::Result<void> bring_incidents_out();
  /// Does what can wait until nothing else happens.
  void rest();
  base::Result<void> write(const incident::StateChange& change);
  base::Result<void> settle(const incident::SettledRow& row);
  base::Result<void> start_attempt(std::int64_t row_id, std::uint32_t attempt, base::WallTime at);
  base::Result<void> finish_attempt(const incident::AttemptResult& result);
  base::Result<void> write_cancel(const incident::OutboxCancel& cancel);
  base::Result<void> write_kept(const incident::StateChange& change);
  base::Result<void> write_decisions(const incident::StateChange& change);
  base::Result<void> write_audit(const incident::StateChange& change);
  base::Result<std::vector<incident::KeptRecord>> read_kept();
  base::Result<std::int64_t> last_audit_number();
  base::Result<std::vector<incident::Record>> read_records(RecordLog& log);
  base::Result<std::vector<incident::DeliveryRecord>> deliveries(const std::string& id);
  base::Result<void> add_attempts(incident::DeliveryRecord& delivery);
  base::Result<bool> finish_first(const incident::AttemptResult& result);

  Database& database_;
  RecordLog alerts_;
  RecordLog groups_;
  bool adopted_ = false;  ///< Rows of schema 5 are in those two.
  IncidentRows incidents_;
  History history_;
  FreshRows fresh_;
  incident::Lease lease_;
};

}  // namespace tocsin::state
