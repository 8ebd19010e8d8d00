// What `[processes]`, `[[process_group]]` and `[cgroups]` in the agent's configuration say.
#pragma once

#include "agent/collectors/processes/cgroup_collector.h"
#include "agent/collectors/processes/process_collector.h"

namespace tocsin::config {
class Table;
}

namespace tocsin::agent {

/// Mistakes go to the diagnostics. Without a `[[process_group]]` there is nothing to collect.
ProcessSettings read_process_settings(config::Table& root);

/// `configured` says whether the table is there at all.
CgroupSettings read_cgroup_settings(config::Table& root);

}  // namespace tocsin::agent
