// Collector "process_groups": the processes of this host by group, under the names of
// process-exporter.
//
// Every round the members of groups are read again; all other processes are looked through in a
// sweep, as many of them a round as its budget allows, so that a host with a hundred thousand of
// them costs no more of a round than one with a thousand. A process that belongs to no group is
// looked at when it is new and each fourth round after that: it may have become another program.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/reader.h"
#include "agent/collectors/processes/process_namer.h"
#include "common/base/clock.h"
#include "common/base/log.h"

namespace tocsin::agent {

/// `[processes]` and every `[[process_group]]`.
struct ProcessSettings {
  std::vector<ProcessGroupSettings> groups;
  bool children = true;          ///< Children that match nothing belong to their parent's group.
  std::size_t groups_max = 200;  ///< Further ones are one group, "other".
  /// Looked at in one round: processes in no group, and members of groups.
  std::size_t reads_per_round = 20'000;
  std::size_t members_per_round = 2'000;
};

struct ProcessWorld {
  const base::Clock& clock;
  base::FailureLog& failures;  ///< Outlives the collector.
};

/// `settings.groups` must have been checked by ProcessNamer::make().
std::unique_ptr<Collector> make_process_collector(const ProcessSettings& settings,
                                                  const HostPaths& paths, ProcessWorld world);

}  // namespace tocsin::agent
