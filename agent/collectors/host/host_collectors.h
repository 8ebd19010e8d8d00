// The collectors of the host itself: what node_exporter 1.5 exposes, under the same names and
// labels.
//
// Each collector is a pair of files: a pure parse function, tested on texts, and a small class that
// reads the kernel's file and hands the numbers to the sink. make_host_collectors() lists them all.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/reader.h"
#include "common/base/clock.h"
#include "common/base/metrics.h"
#include "common/base/time.h"

namespace tocsin::config {
class Table;
}

namespace tocsin::agent {

class StatfsPool;

/// What `[host]` in the agent's configuration says. Patterns are RE2 and match anywhere in the
/// name.
struct HostSettings {
  HostPaths paths;
  std::vector<std::string> enabled;   ///< Names of collectors; empty for all.
  std::vector<std::string> disabled;  ///< Taken away from `enabled`.
  std::string textfile_directory;     ///< Empty for none.
  std::string mount_points_exclude =
      "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)";
  std::string fs_types_exclude =
      "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|"
      "iso9660|"
      "mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|"
      "tracefs)$";
  /// How long one round waits for all mounts together; what has not answered by then is stuck.
  base::Duration statfs_deadline{500};
  std::string disk_devices_exclude = "^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\\d+n\\d+p)\\d+$";
  std::string network_devices_exclude = "^lo$";   ///< For traffic counters (netdev).
  std::string network_properties_exclude = "^$";  ///< For device properties (netclass).
  std::string systemd_units_include = ".+";
  std::string systemd_units_exclude = ".+\\.(automount|device|mount|scope|slice|target)$";
  base::Duration systemd_deadline{500};
};

/// What the collectors need of the program around them; outlives them.
struct HostWorld {
  const base::Clock& clock;
  base::Metrics& metrics;
  std::shared_ptr<StatfsPool> statfs = nullptr;  ///< Outlives reloads; null: one for these alone.
};

/// Reads the table `[host]`, checks patterns and collector names, and finishes the table.
///
/// Mistakes go to the table's diagnostics; the defaults stand in for them.
HostSettings read_host_settings(config::Table& table);

/// Returns every host collector's name, in the order of make_host_collectors().
std::vector<std::string> host_collector_names();

/// Makes the collectors that `settings` asks for. Collectors whose source this host lacks are made
/// too: ask present(). `settings` must come from read_host_settings() or hold valid patterns.
std::vector<std::unique_ptr<Collector>> make_host_collectors(const HostSettings& settings,
                                                             HostWorld world);

}  // namespace tocsin::agent
