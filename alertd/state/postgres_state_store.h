// The state store on PostgreSQL (13 or later): for two daemons that share it.
//
// One connection, one thread inside, a bounded queue in front. A connection that breaks is made
// again with growing pauses; calls meanwhile fail with Unavailable.
#pragma once

#include <memory>

#include "alertd/incident/state_store.h"
#include "alertd/state/async_state_store.h"
#include "common/postgres/connection.h"

namespace tocsin::state {

/// Connects and brings an older schema up to date. Blocking. Writing needs the lease: see
/// StateStore::acquire_lease.
/// Errors: Unavailable, PermissionDenied, InvalidArgument (the dsn; or written by a newer release).
base::Result<std::unique_ptr<incident::StateStore>> open_postgres_state_store(
    postgres::Settings settings, AsyncOptions options, const base::Clock& clock);

}  // namespace tocsin::state
