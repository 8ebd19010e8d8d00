// Tablespaces of a base backup, put into the scratch folder: what a backup says of where they lie
// is where the live ones are.
//
//   tar    OID.tar beside base.tar, and a file tablespace_map that the server would follow
//   plain  links in pg_tblspc, as pg_basebackup made them with --tablespace-mapping
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/backup/finding.h"
#include "agent/backup/scratch_cluster.h"

namespace tocsin::agent {

/// One of a backup.
struct Tablespace {
  std::string oid{};
  std::string from{};  ///< A tar file, or a folder.
  bool tar = false;
};

/// Finds those of the backup at `path`. A link must end beside the backup or in one of `allowed`:
/// elsewhere may be the live one. Findings: "tablespaces", "unreadable".
Found find_tablespaces(const base::FileSystem& files, const std::string& path,
                       const std::vector<std::string>& allowed, std::vector<Tablespace>& found);

/// Copies one into the scratch folder, and links it there. `run` runs a program of the system.
Found restore_tablespace(
    base::FileSystem& files, const Tablespace& tablespace, const ScratchCluster& cluster,
    const std::function<base::Result<base::CommandResult>(std::vector<std::string>)>& run);

/// Rewrites tablespace_map, if the backup has one, to lead to the copies.
Found map_tablespaces(base::FileSystem& files, const std::vector<Tablespace>& all,
                      const ScratchCluster& cluster);

}  // namespace tocsin::agent
