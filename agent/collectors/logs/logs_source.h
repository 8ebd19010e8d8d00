// The logs of this host as the sampler sees them: one source, one thread, only if configured.
//
// tocsin_agent_check_failed says which log (`server`) cannot be read and the class of the reason;
// the agent's own log says which file, and what it needs.
#pragma once

#include "agent/collectors/blocking/blocking_source.h"
#include "agent/collectors/logs/logs_settings.h"
#include "common/base/file_system.h"
#include "common/base/log.h"

namespace tocsin::agent {

/// `files` and `failures` outlive what is returned, and a call that hangs: they are the program's.
std::unique_ptr<AsyncSource> make_logs_source(const LogsSettings& settings,
                                              BlockingSource::World world, base::FileSystem& files,
                                              base::FailureLog& failures);

}  // namespace tocsin::agent
