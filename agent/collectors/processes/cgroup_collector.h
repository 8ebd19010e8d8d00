// Collector "cgroups": control groups of version 2 (systemd services, containers) by path, under
// the names of cAdvisor.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/reader.h"

namespace tocsin::agent {

/// The table `[cgroups]`.
struct CgroupSettings {
  bool configured = false;
  /// Paths below the root of the tree; * and ? stand for any part of one name.
  std::vector<std::string> include{"system.slice/*.service", "system.slice/docker-*.scope",
                                   "docker/*", "machine.slice/*.scope"};
  std::vector<std::string> exclude;
  std::size_t groups_max = 200;
};

/// Looks for groups each fourth round, reads those it knows each round. Fails with NotFound on a
/// host that has no version 2 tree.
std::unique_ptr<Collector> make_cgroup_collector(const CgroupSettings& settings,
                                                 const HostPaths& paths);

}  // namespace tocsin::agent
