// The state store on SQLite: the default, without any set-up.
//
// One connection, one thread inside, a bounded queue in front. Every call is one transaction.
// File: main database plus write-ahead log (-wal); mode 0600; locked for this process.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "alertd/incident/state_store.h"
#include "alertd/state/async_state_store.h"
#include "common/base/clock.h"

namespace tocsin::state {

struct SqliteOptions {
  std::string path;
  std::size_t queue_max = 10'000;  ///< Calls waiting; beyond: Unavailable.
  int busy_timeout_ms = 5'000;     ///< How long open() waits for another process to let go.
  /// Where the work runs; nullptr: a thread of its own. For deterministic tests; must outlive the
  /// store.
  base::Executor* worker = nullptr;
};

/// Opens or creates the file, checks it, and brings an older schema up to date. Blocking.
///
/// Calls that wait when the store is destroyed are dropped without an answer: stop its users first.
/// Errors: those of Database::open; InvalidArgument (written by a newer release).
base::Result<std::unique_ptr<incident::StateStore>> open_sqlite_state_store(
    SqliteOptions options, const base::Clock& clock);

/// Returns the process that has the state file open, e.g. a running alertd; nullopt: none, or there
/// is no such file. Not for a file that this process has open.
std::optional<int> process_that_holds(const std::string& path);

}  // namespace tocsin::state
