// The tables by which daemons share rule groups, on PostgreSQL: a connection of its own, so that a
// long commit of incidents delays nobody's sign of life.
//
// A session lives until `until`, by the database's clock; a group is free when its session does not
// live. Taking locks the group's row, keeping locks it for reading: a successor waits for the
// commit of what is being kept, and what comes after that is refused.
#pragma once

#include <memory>

#include "alertd/sharing/group_store.h"
#include "common/base/clock.h"
#include "common/postgres/connection.h"

namespace tocsin::state {

/// Connects at the first call, and again, with growing pauses, after the connection broke; brings
/// an older schema up to date. `clock` outlives the store.
std::unique_ptr<sharing::GroupStore> make_postgres_group_store(postgres::Settings settings,
                                                               const base::Clock& clock);

}  // namespace tocsin::state
