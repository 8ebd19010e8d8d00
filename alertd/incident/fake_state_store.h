// StateStore in memory, with failures on demand: for tests and the simulator.
//
// What was committed survives in `Disk`, which outlives the store object: a test "crashes" by
// throwing the store and the dispatcher away and building new ones over the same disk.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "alertd/incident/state_store.h"

namespace tocsin::incident {

/// Two stores over one disk are two daemons: the lease counts once one of them asked for it.
class FakeStateStore final : public StateStore {
 public:
  /// What survives a crash.
  struct Disk {
    std::map<std::string, std::string> alerts;
    std::map<std::string, std::string> groups;
    std::map<std::int64_t, IncidentRecord> incidents;
    std::map<std::pair<std::string, std::uint64_t>, TimelineEvent> events;
    std::map<std::int64_t, OutboxRow> rows;
    std::map<std::pair<std::int64_t, std::uint32_t>, AttemptRecord> attempts;
    std::map<std::pair<std::string, std::string>, std::string> records;  ///< By kind and key.
    std::vector<DecisionRecord> decisions;
    std::vector<StoredAudit> audit;
    std::set<std::string> decided_changes;  ///< Ids whose decisions are in.
    std::set<std::string> audited_changes;
    std::string lease_holder;
    std::uint64_t lease_epoch = 0;  ///< 0: nobody ever asked, and nothing is checked.
    base::WallTime lease_until;
    std::int64_t last_incident_number = 0;
    std::int64_t last_row = 0;
  };

  /// What happens to a commit.
  enum class Fate {
    Works,
    FailsBefore,  ///< Error, nothing written.
    FailsAfter,   ///< Error, but everything is written: the outcome is unknown to the caller.
    DiesBefore,   ///< No answer ever, nothing written; the test crashes the process now.
    DiesAfter,    ///< No answer ever, but everything is written.
  };

  explicit FakeStateStore(std::shared_ptr<Disk> disk) : disk_(std::move(disk)) {}

  /// Decides the fate of each commit; called with its number, from 1. Default: all work.
  std::function<Fate(std::uint64_t)> fate;
  /// While set, every record and pending_after fails with it and writes nothing.
  std::optional<base::Error> broken;
  std::uint64_t records() const { return records_; }
  std::uint64_t commits() const { return commits_; }
  const Disk& disk() const { return *disk_; }

  void load(base::WallTime resolved_since, base::Executor& reply_on,
            Done<LoadedState> done) override;
  using StateStore::commit;
  void commit(std::shared_ptr<const StateChange> change, base::Executor& reply_on,
              Done<void> done) override;
  void pending_after(std::int64_t after_id, std::size_t limit, base::Executor& reply_on,
                     Done<std::vector<WaitingRow>> done) override;
  void record(DeliveryBatch batch, base::Executor& reply_on,
              Done<DeliveryBatchOutcome> done) override;
  void attempt_started(std::int64_t row_id, std::uint32_t attempt, base::WallTime at,
                       base::Executor& reply_on, Done<void> done) override;
  void attempt_finished(AttemptResult result, base::Executor& reply_on, Done<void> done) override;
  void incidents(IncidentQuery query, base::Executor& reply_on,
                 Done<std::vector<IncidentRecord>> done) override;
  void incident(std::string id, base::Executor& reply_on, Done<IncidentDetail> done) override;
  void decisions(DecisionQuery query, base::Executor& reply_on,
                 Done<std::vector<DecisionRecord>> done) override;
  void audit(AuditQuery query, base::Executor& reply_on,
             Done<std::vector<StoredAudit>> done) override;
  void verify_audit(base::Executor& reply_on, Done<AuditVerdict> done) override;
  void receipts(ReceiptQuery query, base::Executor& reply_on,
                Done<std::vector<Receipt>> done) override;
  void prune(base::WallTime before, base::WallTime decisions_before, base::Executor& reply_on,
             Done<std::uint64_t> done) override;
  void acquire_lease(std::string holder, base::Duration duration, base::Executor& reply_on,
                     Done<Lease> done) override;
  void renew_lease(base::Duration duration, base::Executor& reply_on, Done<Lease> done) override;
  void release_lease(base::Executor& reply_on, Done<void> done) override;

 private:
  void write(const StateChange& change);
  void write_outbox(const StateChange& change);
  void write_logs(const StateChange& change);
  /// Errors: Cancelled (the disk's lease is another store's).
  base::Result<void> fenced() const;
  Lease lease() const;
  base::Result<void> settle(const SettledRow& settled);
  base::Result<void> start_attempt(std::int64_t row_id, std::uint32_t attempt, base::WallTime at);
  base::Result<void> finish_attempt(const AttemptResult& result);

  std::shared_ptr<Disk> disk_;
  std::uint64_t commits_ = 0;
  std::uint64_t records_ = 0;
  std::uint64_t epoch_ = 0;  ///< Of the lease that this store took last.
};

}  // namespace tocsin::incident
