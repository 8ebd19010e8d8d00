// A plugin of Nagios as a source: run at its own interval, told of in every round.
#pragma once

#include <memory>

#include "agent/collectors/nagios/nagios_settings.h"
#include "agent/sampler/round_sink.h"
#include "common/base/command_runner.h"

namespace tocsin::agent {

struct NagiosWorld {
  base::Executor& executor;  ///< The sampler's.
  std::shared_ptr<base::CommandRunner> runner;
};

/// `patience` is how long a round waits for the plugin it has started; a plugin that takes longer
/// is told of in the round after. What it printed for people goes to the log when it changes, and
/// nowhere else.
std::unique_ptr<AsyncSource> make_nagios_source(NagiosCheckSettings settings,
                                                base::Duration patience, NagiosWorld world);

/// How many plugins run at once.
inline constexpr unsigned kNagiosThreads = 2;
inline constexpr std::size_t kNagiosQueueMax = 256;

}  // namespace tocsin::agent
