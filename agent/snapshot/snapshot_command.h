// `tocsin-agent snapshot --to FILE`: a person on the host takes a snapshot.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/snapshot/snapshot.h"

namespace tocsin::agent {

struct SnapshotCommand {
  std::string to;  ///< Ends in .json or .json.zst; must not exist.
  std::string config{};
  bool help = false;
};

/// `words` are those behind "snapshot". Errors: InvalidArgument.
base::Result<SnapshotCommand> parse_snapshot_command(const std::vector<std::string>& words);

/// Takes it and writes it with mode 0600. Errors: InvalidArgument (the file exists), Io,
/// PermissionDenied.
base::Result<void> write_snapshot(const SnapshotCommand& command, const SnapshotRequest& request,
                                  base::FileSystem& files, const base::Clock& clock);

}  // namespace tocsin::agent
