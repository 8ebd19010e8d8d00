#include "alertd/tsdb/store.h"

#include "alertd/tsdb/cardinality.h"
#include "alertd/tsdb/prepared_select.h"
#include "alertd/tsdb/store_core.h"

namespace tocsin::tsdb {

base::Result<std::unique_ptr<Store>> Store::open(const StoreOptions& options,
                                                 base::FileSystem& files,
                                                 base::Executor& store_thread,
                                                 base::Metrics& metrics) {
  auto core = std::make_shared<Core>(options, files, store_thread, metrics);
  TC_TRY(core->open());
  core->start_timers();
  return std::unique_ptr<Store>(new Store(std::move(core)));
}

Store::Store(std::shared_ptr<Core> core) : core_(std::move(core)) {}
Store::~Store() {
  core_->shut_down();
}

void Store::append(std::shared_ptr<const model::WriteBatch> batch, model::AppendDone done) {
  core_->append(std::move(batch), std::move(done));
}

base::Result<std::unique_ptr<model::SeriesSet>> Store::select(
    std::span<const model::Matcher> matchers, std::int64_t begin_ms, std::int64_t end_ms,
    const model::SelectLimits& limits) const {
  return core_->head().select(matchers, {begin_ms, end_ms}, limits);
}

std::unique_ptr<model::PreparedSelector> Store::prepare(
    std::span<const model::Matcher> matchers) const {
  // Without a metric's name there is no cheap way to know that nothing changed.
  if (SelectCache::metric_of(matchers).empty()) return nullptr;
  return std::make_unique<PreparedSelect>(core_->head(), matchers);
}

base::Result<std::vector<std::string>> Store::label_values(
    std::string_view name, std::span<const model::Matcher> matchers) const {
  return core_->head().label_values(name, matchers);
}

base::Result<std::vector<std::string>> Store::label_names(
    std::span<const model::Matcher> matchers) const {
  return core_->head().label_names(matchers);
}

model::Cardinality Store::cardinality(std::size_t limit) const {
  return count_series(core_->head(), limit);
}

StoreStatus Store::status() const {
  return core_->status();
}
void Store::request_checkpoint() {
  core_->request_checkpoint();
}

void Store::snapshot_to(std::string folder, SnapshotDone done) {
  core_->snapshot_to(std::move(folder), std::move(done));
}

}  // namespace tocsin::tsdb
