// The tables of the state store on PostgreSQL, and how older schemas become newer ones.
//
// As schema.h: one script a version, never changed once released. All of it is one transaction
// under an advisory lock, so that daemons that start together do not meet.
#pragma once

#include "common/postgres/connection.h"

namespace tocsin::state {

/// Returns the version this release writes.
int newest_postgres_version();

/// Brings the database up to date. Errors: InvalidArgument (it is of a newer release: untouched),
/// PermissionDenied, Timeout (another daemon migrates), those of postgres::Transaction.
base::Result<void> migrate_postgres(postgres::Connection& connection, base::WallTime now);

}  // namespace tocsin::state
