// Counts series for the API: the store by labels, ingest by agent.
#pragma once

#include <atomic>

#include "alertd/api/cardinality_handlers.h"
#include "alertd/ingest/remote_write_handler.h"
#include "common/base/executor.h"

namespace tocsin::alertd {

/// All of it outlives this, and this the executor's tasks.
class CardinalityAdapter final : public api::CardinalityView {
 public:
  CardinalityAdapter(const model::CardinalitySource& store,
                     const ingest::RemoteWriteHandler& ingest, base::Executor& workers)
      : store_(store), ingest_(ingest), workers_(workers) {}

  void count(std::size_t limit, api::Done<api::CardinalityReport> done) override;

 private:
  const model::CardinalitySource& store_;
  const ingest::RemoteWriteHandler& ingest_;
  base::Executor& workers_;
  std::atomic<bool> busy_ = false;  // one count at a time is enough for anybody
};

}  // namespace tocsin::alertd
