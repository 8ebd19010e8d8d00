// A Redis server as the sampler sees it: redis_up, INFO, and the queues in it.
//
// tocsin_agent_check_failed says which part failed ("connection", "info", "queues") and the class
// of the reason; the log has the reason.
#pragma once

#include "agent/collectors/blocking/blocking_source.h"
#include "agent/collectors/redis/redis_settings.h"
#include "common/base/log.h"

namespace tocsin::agent {

/// `failures` outlives what is returned, and a call that hangs: it is the program's.
std::unique_ptr<AsyncSource> make_redis_source(const RedisSettings& settings,
                                               BlockingSource::World world,
                                               base::FailureLog& failures);

}  // namespace tocsin::agent
