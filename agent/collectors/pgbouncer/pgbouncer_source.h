// A PgBouncer as the sampler sees it: pgbouncer_up, and what its console shows.
//
// tocsin_agent_check_failed says which command failed ("connection", "pools", ...) and the class of
// the reason; the log has the reason, and what to write into pgbouncer.ini.
#pragma once

#include "agent/collectors/blocking/blocking_source.h"
#include "agent/collectors/pgbouncer/pgbouncer_settings.h"
#include "common/base/log.h"

namespace tocsin::agent {

/// `failures` outlives what is returned, and a call that hangs: it is the program's.
std::unique_ptr<AsyncSource> make_pgbouncer_source(const PgbouncerSettings& settings,
                                                   BlockingSource::World world,
                                                   base::FailureLog& failures);

}  // namespace tocsin::agent
