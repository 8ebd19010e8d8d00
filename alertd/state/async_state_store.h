// The asynchronous side of a state store: one thread inside, a bounded queue in front.
#pragma once

#include <memory>

#include "alertd/incident/state_store.h"
#include "alertd/state/blocking_store.h"
#include "common/base/clock.h"

namespace tocsin::state {

struct AsyncOptions {
  std::size_t queue_max = 10'000;  ///< Calls waiting; beyond: Unavailable.
  /// Where the work runs; nullptr: a thread of its own. For deterministic tests; must outlive the
  /// store.
  base::Executor* worker = nullptr;
};

/// Calls that wait when the store is destroyed are dropped without an answer: stop its users first.
std::unique_ptr<incident::StateStore> make_async_state_store(std::unique_ptr<BlockingStore> store,
                                                             AsyncOptions options,
                                                             const base::Clock& clock);

}  // namespace tocsin::state
