#include "alertd/state/async_state_store.h"

#include <fmt/format.h>

#include <atomic>

#include "common/base/asio_executor.h"

namespace tocsin::state {

using base::ErrorCode;
using base::Result;
using base::WallTime;
using incident::Done;

namespace {

class AsyncStateStore final : public incident::StateStore {
 public:
  AsyncStateStore(std::unique_ptr<BlockingStore> store, AsyncOptions options,
                  const base::Clock& clock)
      : options_(options), store_(std::move(store)) {
    if (!options_.worker) own_worker_ = std::make_unique<base::AsioExecutor>(clock, "state", 1);
  }

  ~AsyncStateStore() override { own_worker_.reset(); }  // joins before the store goes

  void load(WallTime resolved_since, base::Executor& reply_on,
            Done<incident::LoadedState> done) override {
    run<incident::LoadedState>(reply_on, std::move(done),
                               [this, resolved_since] { return store_->load(resolved_since); });
  }

  using StateStore::commit;
  void commit(std::shared_ptr<const incident::StateChange> change, base::Executor& reply_on,
              Done<void> done) override {
    run<void>(reply_on, std::move(done),
              [this, change = std::move(change)] { return store_->commit(*change); });
  }

  void pending_after(std::int64_t after_id, std::size_t limit, base::Executor& reply_on,
                     Done<std::vector<incident::WaitingRow>> done) override {
    run<std::vector<incident::WaitingRow>>(reply_on, std::move(done), [this, after_id, limit] {
      return store_->pending_after(after_id, limit);
    });
  }

  void record(incident::DeliveryBatch batch, base::Executor& reply_on,
              Done<incident::DeliveryBatchOutcome> done) override {
    run<incident::DeliveryBatchOutcome>(
        reply_on, std::move(done),
        [this, batch = std::move(batch)] { return store_->record(batch); });
  }

  void attempt_started(std::int64_t row_id, std::uint32_t attempt, WallTime at,
                       base::Executor& reply_on, Done<void> done) override {
    run<void>(reply_on, std::move(done),
              [this, row_id, attempt, at] { return store_->attempt_started(row_id, attempt, at); });
  }

  void attempt_finished(incident::AttemptResult result, base::Executor& reply_on,
                        Done<void> done) override {
    run<void>(reply_on, std::move(done),
              [this, result = std::move(result)] { return store_->attempt_finished(result); });
  }

  void incidents(incident::IncidentQuery query, base::Executor& reply_on,
                 Done<std::vector<incident::IncidentRecord>> done) override {
    run<std::vector<incident::IncidentRecord>>(reply_on, std::move(done),
                                               [this, query] { return store_->incidents(query); });
  }

  void incident(std::string id, base::Executor& reply_on,
                Done<incident::IncidentDetail> done) override {
    run<incident::IncidentDetail>(reply_on, std::move(done),
                                  [this, id = std::move(id)] { return store_->incident(id); });
  }

  void decisions(incident::DecisionQuery query, base::Executor& reply_on,
                 Done<std::vector<incident::DecisionRecord>> done) override {
    run<std::vector<incident::DecisionRecord>>(
        reply_on, std::move(done),
        [this, query = std::move(query)] { return store_->decisions(query); });
  }

  void audit(incident::AuditQuery query, base::Executor& reply_on,
             Done<std::vector<incident::StoredAudit>> done) override {
    run<std::vector<incident::StoredAudit>>(
        reply_on, std::move(done),
        [this, query = std::move(query)] { return store_->audit(query); });
  }

  void verify_audit(base::Executor& reply_on, Done<incident::AuditVerdict> done) override {
    run<incident::AuditVerdict>(reply_on, std::move(done),
                                [this] { return store_->verify_audit(); });
  }

  void receipts(incident::ReceiptQuery query, base::Executor& reply_on,
                Done<std::vector<incident::Receipt>> done) override {
    run<std::vector<incident::Receipt>>(
        reply_on, std::move(done),
        [this, query = std::move(query)] { return store_->receipts(query); });
  }

  void prune(WallTime before, WallTime decisions_before, base::Executor& reply_on,
             Done<std::uint64_t> done) override {
    run<std::uint64_t>(reply_on, std::move(done), [this, before, decisions_before] {
      return store_->prune(before, decisions_before);
    });
  }

  void acquire_lease(std::string holder, base::Duration duration, base::Executor& reply_on,
                     Done<incident::Lease> done) override {
    run<incident::Lease>(reply_on, std::move(done), [this, holder = std::move(holder), duration] {
      return store_->acquire_lease(holder, duration);
    });
  }

  void renew_lease(base::Duration duration, base::Executor& reply_on,
                   Done<incident::Lease> done) override {
    run<incident::Lease>(reply_on, std::move(done),
                         [this, duration] { return store_->renew_lease(duration); });
  }

  void release_lease(base::Executor& reply_on, Done<void> done) override {
    run<void>(reply_on, std::move(done), [this] { return store_->release_lease(); });
  }

  void copy_to(std::string path, base::Executor& reply_on, Done<void> done) override {
    run<SharedCopy>(
        worker(),
        [this, &reply_on, done](Result<SharedCopy> copy) {
          if (copy) return step(std::move(*copy), reply_on, done);
          reply_on.post([done, error = copy.error()] { done(error); });
        },
        [this, path = std::move(path)]() -> Result<SharedCopy> {
          TC_TRY(SharedCopy copy, store_->begin_copy(path));
          return copy;
        });
  }

 private:
  using SharedCopy = std::shared_ptr<BlockingStore::Copy>;

  // What waits in the queue comes between two steps.
  void step(SharedCopy copy, base::Executor& reply_on, const Done<void>& done) {
    run<bool>(
        worker(),
        [this, copy, &reply_on, done](Result<bool> complete) mutable {
          if (complete && !*complete) return step(std::move(copy), reply_on, done);
          copy.reset();  // here, where its connection is used
          reply_on.post(
              [done, complete] { done(complete ? base::ok() : Result<void>(complete.error())); });
        },
        [copy] { return copy->step(); });
  }

  base::Executor& worker() { return options_.worker ? *options_.worker : *own_worker_; }

  template <class T, class Work>
  void run(base::Executor& reply_on, Done<T> done, Work work) {
    if (waiting_.fetch_add(1) >= options_.queue_max) {
      waiting_.fetch_sub(1);
      reply_on.post([done = std::move(done), queue_max = options_.queue_max] {
        done(base::error(ErrorCode::Unavailable,
                         fmt::format("state store queue is full: {} calls wait", queue_max)));
      });
      return;
    }
    worker().post([this, &reply_on, done = std::move(done), work = std::move(work)]() mutable {
      Result<T> result = call<T>(work);
      waiting_.fetch_sub(1);
      reply_on.post([done = std::move(done), result = std::move(result)]() mutable {
        done(std::move(result));
      });
    });
  }

  template <class T, class Work>
  Result<T> call(Work& work) {
    TC_TRY(store_->prepare());
    Result<T> result = work();
    if (!result && store_->recover()) result = work();
    return result;
  }

  AsyncOptions options_;
  std::unique_ptr<BlockingStore> store_;
  std::atomic<std::size_t> waiting_{0};
  std::unique_ptr<base::AsioExecutor> own_worker_;
};

}  // namespace

Result<std::unique_ptr<BlockingStore::Copy>> BlockingStore::begin_copy(const std::string&) {
  return base::error(ErrorCode::InvalidArgument,
                     "the state is in PostgreSQL: back it up with PostgreSQL's means");
}

std::unique_ptr<incident::StateStore> make_async_state_store(std::unique_ptr<BlockingStore> store,
                                                             AsyncOptions options,
                                                             const base::Clock& clock) {
  return std::make_unique<AsyncStateStore>(std::move(store), options, clock);
}

}  // namespace tocsin::state
