// The dead-man clock and ingest, put together: who may send heartbeats, and whose samples are
// heard.
#pragma once

#include <memory>
#include <string>

#include "alertd/app/task_keeper.h"
#include "alertd/ingest/agent_registry.h"
#include "alertd/ingest/remote_write_handler.h"

namespace tocsin::alertd {

struct TaskLinkWorld {
  base::Executor& executor;
  base::FileSystem& files;
  model::Appender& appender;
  base::Metrics& metrics;
  ingest::RemoteWriteHandler& ingest;
  const ingest::AgentRegistry& agents;
};

/// Makes the keeper, reads its book, and lets it hear what ingest stores. `host_name` is whose
/// heartbeats local senders without a token send, unless they name another host.
/// Errors: those of TaskKeeper::load().
base::Result<std::unique_ptr<TaskKeeper>> make_task_keeper(const TaskLinkWorld& world,
                                                           const tasks::ClockSettings& settings,
                                                           const std::string& path,
                                                           const std::string& host_name);

}  // namespace tocsin::alertd
