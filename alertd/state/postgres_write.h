// Writes one StateChange to PostgreSQL, inside a transaction; a part of PostgresTables.
#pragma once

#include "alertd/incident/state_store.h"
#include "alertd/state/postgres.h"

namespace tocsin::state {

/// Writes everything; many rows of a table are one statement.
base::Result<void> write_change(PgTransaction& transaction, const incident::StateChange& change);

}  // namespace tocsin::state
