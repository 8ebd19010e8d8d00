// What the agent reads of its host's posture: who has power on it, what has to be updated, what
// scanners found, what it looked like when it was in trouble, until when others keep what is ours.
// Seldom read, told every round; nothing exists that is not configured.
#pragma once

#include <optional>

#include "agent/collectors/findings/findings_settings.h"
#include "agent/collectors/inventory/inventory_settings.h"
#include "agent/collectors/packages/packages_settings.h"
#include "agent/collectors/parties/parties_settings.h"
#include "agent/sampler/sampler.h"
#include "agent/snapshot/snapshot_settings.h"
#include "common/base/log.h"

namespace tocsin::agent {

struct PostureSettings {
  std::optional<InventorySettings> inventory;  ///< [inventory]
  std::optional<PackagesSettings> packages;    ///< [packages]
  FindingsSettings findings;                   ///< [[findings]]
  std::optional<SnapshotSettings> snapshots;   ///< [snapshots]
  PartiesSettings parties;                     ///< [domains], [[contract]]
};

/// Reads those tables of the root. Their memory goes beside the spool. Mistakes go to the
/// diagnostics.
PostureSettings read_posture_settings(config::Table& root, base::Duration interval,
                                      const std::string& spool_folder);

/// What the sources are made of; outlives them.
struct PostureWorld {
  base::Executor& executor;  ///< The sampler's.
  base::FileSystem& files;
  base::FailureLog& failures;
  bool look_only = false;  ///< A single round beside the agent that runs: writes no state.
};

/// Adds the sources that the settings ask for.
void add_posture_sources(Sampler::Sources& sources, PostureSettings settings,
                         const PostureWorld& world);

}  // namespace tocsin::agent
