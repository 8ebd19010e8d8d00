// A PostgreSQL server as the sampler sees it.
//
// pg_up says whether it answered; pg_scrape_collector_success which of its checks did;
// tocsin_agent_check_failed gives the class of the reason, and the log the reason itself with what
// to grant. A check that is asked less often than each round shows its last answer.
#pragma once

#include "agent/collectors/blocking/blocking_source.h"
#include "agent/collectors/postgres/postgres_settings.h"
#include "common/base/log.h"

namespace tocsin::agent {

/// `failures` outlives what is returned, and a call that hangs: it is the program's.
std::unique_ptr<AsyncSource> make_postgres_source(const PostgresSettings& settings,
                                                  BlockingSource::World world,
                                                  base::FailureLog& failures);

}  // namespace tocsin::agent
