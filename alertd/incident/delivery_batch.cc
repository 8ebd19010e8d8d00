// StateStore::record() and pending_after() for stores that have nothing better: one call for each
// part. Stores with transactions write a batch in one.

#include "alertd/incident/delivery_batch.h"

#include <memory>

#include "alertd/incident/state_store.h"

namespace tocsin::incident {
namespace {

// Later than every due time: pending() then returns every pending row. 2100-01-01.
constexpr base::WallTime kEver = base::wall_time(4'102'444'800'000);
constexpr std::size_t kRowsMax = 64'000;

/// Gathers the answers of the single calls.
struct Gathering {
  DeliveryBatchOutcome outcome;
  std::size_t missing = 0;
  std::optional<base::Error> failure;  ///< Of the store itself, not of one row.
  Done<DeliveryBatchOutcome> done;

  void answer(base::Result<void>& place, const base::Result<void>& result) {
    place = result;
    if (!result && result.error().code != base::ErrorCode::NotFound &&
        result.error().code != base::ErrorCode::InvalidArgument) {
      failure = result.error();
    }
    if (--missing > 0) return;
    if (failure) {
      done(*failure);
    } else {
      done(std::move(outcome));
    }
  }
};

}  // namespace

void StateStore::pending_after(std::int64_t after_id, std::size_t limit, base::Executor& reply_on,
                               Done<PendingRows> done) {
  pending(kEver, kRowsMax, reply_on,
          [after_id, limit, done = std::move(done)](base::Result<PendingRows> rows) {
            if (rows) {
              std::erase_if(rows->rows,
                            [after_id](const OutboxRow& row) { return row.id <= after_id; });
              if (rows->rows.size() > limit) rows->rows.resize(limit);
              rows->next_due.reset();
            }
            done(std::move(rows));
          });
}

void StateStore::record(DeliveryBatch batch, base::Executor& reply_on,
                        Done<DeliveryBatchOutcome> done) {
  auto all = std::make_shared<Gathering>();
  all->done = std::move(done);
  all->outcome.settled.resize(batch.settled.size(), base::ok());
  all->outcome.started.resize(batch.started.size(), base::ok());
  all->outcome.finished.resize(batch.finished.size(), base::ok());
  all->missing = batch.settled.size() + batch.started.size() + batch.finished.size() + 1;
  for (std::size_t i = 0; i < batch.settled.size(); ++i) {
    // The store wants an attempt to hang the outcome on.
    const SettledRow& row = batch.settled[i];
    attempt_started(row.row_id, 1, base::wall_time(0), reply_on, [](const base::Result<void>&) {});
    AttemptResult result;
    result.row_id = row.row_id;
    result.attempt = 1;
    result.state = row.state;
    result.text = row.text;
    attempt_finished(std::move(result), reply_on, [all, i](const base::Result<void>& stored) {
      all->answer(all->outcome.settled[i], stored);
    });
  }
  for (std::size_t i = 0; i < batch.started.size(); ++i) {
    const AttemptStart& start = batch.started[i];
    attempt_started(start.row_id, start.attempt, start.at, reply_on,
                    [all, i](const base::Result<void>& stored) {
                      all->answer(all->outcome.started[i], stored);
                    });
  }
  for (std::size_t i = 0; i < batch.finished.size(); ++i) {
    attempt_finished(std::move(batch.finished[i]), reply_on,
                     [all, i](const base::Result<void>& stored) {
                       all->answer(all->outcome.finished[i], stored);
                     });
  }
  StateChange change;
  change.outbox = std::move(batch.outbox);
  commit(std::move(change), reply_on, [all](const base::Result<void>& stored) {
    base::Result<void> ignored = base::ok();
    all->answer(ignored, stored);
  });
}

}  // namespace tocsin::incident
