// A state store as the database sees it: the calls of incident::StateStore, one transaction each,
// blocking. AsyncStateStore puts the thread and the queue around it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "alertd/incident/state_store.h"

namespace tocsin::state {

/// Implementations: StateTables (SQLite), PostgresTables. Thread: one.
/// Errors and meaning: alertd/incident/state_store.h, same names.
class BlockingStore {
 public:
  virtual ~BlockingStore() = default;

  /// Called before each of the others, which are not called if it fails.
  virtual base::Result<void> prepare() { return base::ok(); }
  /// Called after one of the others failed. Returns whether the connection was gone and is there
  /// again: then the call is made once more, because all of them may be made twice.
  virtual bool recover() { return false; }

  virtual base::Result<incident::LoadedState> load(base::WallTime resolved_since) = 0;
  virtual base::Result<void> commit(const incident::StateChange& change) = 0;
  virtual base::Result<std::vector<incident::WaitingRow>> pending_after(std::int64_t after_id,
                                                                        std::size_t limit) = 0;
  virtual base::Result<incident::DeliveryBatchOutcome> record(
      const incident::DeliveryBatch& batch) = 0;
  virtual base::Result<void> attempt_started(std::int64_t row_id, std::uint32_t attempt,
                                             base::WallTime at) = 0;
  virtual base::Result<void> attempt_finished(const incident::AttemptResult& result) = 0;
  virtual base::Result<std::vector<incident::IncidentRecord>> incidents(
      const incident::IncidentQuery& query) = 0;
  virtual base::Result<incident::IncidentDetail> incident(const std::string& id) = 0;
  virtual base::Result<std::vector<incident::DecisionRecord>> decisions(
      const incident::DecisionQuery& query) = 0;
  virtual base::Result<std::vector<incident::StoredAudit>> audit(
      const incident::AuditQuery& query) = 0;
  virtual base::Result<incident::AuditVerdict> verify_audit() = 0;
  virtual base::Result<std::vector<incident::Receipt>> receipts(
      const incident::ReceiptQuery& query) = 0;
  virtual base::Result<std::uint64_t> prune(base::WallTime before,
                                            base::WallTime decisions_before) = 0;
  virtual base::Result<incident::Lease> acquire_lease(const std::string& holder,
                                                      base::Duration duration) = 0;
  virtual base::Result<incident::Lease> renew_lease(base::Duration duration) = 0;
  virtual base::Result<void> release_lease() = 0;

  /// A copy being made; the other calls may come between its steps.
  class Copy {
   public:
    virtual ~Copy() = default;
    /// Returns whether it is complete.
    virtual base::Result<bool> step() = 0;
  };
  virtual base::Result<std::unique_ptr<Copy>> begin_copy(const std::string& path);
};

}  // namespace tocsin::state
