// The proof that a backup restores (V4, V5): into a scratch cluster, rows counted, questions asked.
//
//   dump         initdb, pg_restore or psql
//   base backup  copied, recovered from the WAL archive, to the end or to a point in time
// What is measured: how long until the data could be asked (RTO), and how old its last change is
// (RPO). The scratch cluster is gone afterwards, whatever happened.
#pragma once

#include <string>

#include "agent/backup/backup_set.h"
#include "agent/backup/backup_state.h"
#include "agent/backup/scratch_cluster.h"
#include "common/base/random.h"

namespace tocsin::agent {

struct DrillRequest {
  const BackupSet& set;  ///< Has a drill.
  std::string path{};    ///< Of the backup.
  std::uint64_t size_bytes = 0;
  base::WallTime at{};   ///< Of which time it is.
  std::string target{};  ///< Instead of the set's, unless empty.
};

/// Restores. `before` is the drill before it, whose row counts are compared with. Blocks.
///
/// Returns the new state; that the backup cannot be restored is in it, with a reason. Errors:
/// Cancelled, Timeout (of `world.check`); then nothing is known.
base::Result<DrillState> run_drill(const DrillRequest& request, const DrillState& before,
                                   base::Random& random, DrillWorld& world);

/// Returns whether a reason says that the drill was not possible here, and nothing about the
/// backup: no room, no programs. Then the state of the last drill stays.
bool is_obstacle(std::string_view reason);

/// Says whether a drill could begin, and what it would do; changes nothing.
Found plan_drill(const DrillRequest& request, const base::FileSystem& files, std::string& plan);

}  // namespace tocsin::agent
