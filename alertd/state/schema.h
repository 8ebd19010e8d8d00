// The tables of the state store, and how older files become newer ones.
//
// One script a version, applied in order, each in its own transaction. A script that was released
// is never changed: a change is a new script at the end.
#pragma once

#include "alertd/state/sqlite.h"
#include "common/base/time.h"

namespace tocsin::state {

/// Returns the version this release writes.
int newest_schema_version();

/// Brings the file up to `target` (tests; production: newest_schema_version()).
/// Errors: InvalidArgument (the file is of a newer release: refused untouched), Io, Unavailable.
base::Result<void> migrate(Database& database, int target, base::WallTime now);

/// Returns the file's version; 0 for a new file.
base::Result<int> schema_version(Database& database);

}  // namespace tocsin::state
