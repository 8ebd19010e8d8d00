// Writes one StateChange to PostgreSQL, inside a transaction; a part of PostgresTables.
#pragma once

#include "alertd/incident/state_store.h"
#include "common/postgres/connection.h"

namespace tocsin::state {

/// Writes everything; many rows of a table are one statement.
base::Result<void> write_change(postgres::Transaction& transaction,
                                const incident::StateChange& change);

}  // namespace tocsin::state
