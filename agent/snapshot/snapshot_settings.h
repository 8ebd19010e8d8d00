// What `[snapshots]` in the agent's configuration says.
#pragma once

#include <optional>

#include "agent/snapshot/snapshot.h"
#include "agent/snapshot/snapshot_store.h"

namespace tocsin::config {
class Table;
}

namespace tocsin::agent {

struct SnapshotSettings {
  base::Duration interval{5'000};  ///< Between two looks at the triggers.
  base::Duration timeout{10'000};  ///< Of a round.
  SnapshotFolderSettings kept;
  base::Duration pause{900'000};       ///< Between two snapshots.
  bool on_oom_kill = true;             ///< The kernel killed a process for want of memory.
  double on_load = 0;                  ///< One minute's load for each processor; 0: not.
  double on_memory_stall_percent = 0;  ///< All waited for memory, of ten seconds; 0: not.
  HostPaths paths{};
  bool look_only = false;  ///< A single round beside the agent that runs: takes none.
};

/// Reads `[snapshots]` of the root; nullopt if there is none. Mistakes go to the diagnostics.
std::optional<SnapshotSettings> read_snapshot_settings(config::Table& root, base::Duration interval,
                                                       const std::string& state_folder);

}  // namespace tocsin::agent
