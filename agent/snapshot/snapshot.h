// What a host looked like at one moment, for whoever has to find out later what happened: one JSON
// document of fixed content.
//
// Processes (with their files and sockets), connections, who is logged in and was lately, mounts,
// routes, memory and load, the last lines of logs and of the journal, packages changed lately.
// Environments of processes are never read; command lines and log lines are scrubbed (scrub.h).
// What cannot be read is named in the document with its reason: a snapshot of a user without rights
// has less in it, and says so.
#pragma once

#include <string>

#include "agent/collectors/host/reader.h"
#include "common/base/clock.h"
#include "common/base/file_system.h"

namespace tocsin::agent {

struct SnapshotLimits {
  std::size_t processes_max = 5'000;
  std::size_t sockets_max = 10'000;
  std::size_t text_bytes_max = 256 << 10;  ///< Of each file and each log's end.
  std::size_t lines_max = 500;             ///< Of each log.
};

struct SnapshotRequest {
  std::string reason;   ///< "by hand", or the trigger.
  std::string samples;  ///< A round of the agent's own, in the text format; may be empty.
  HostPaths paths{};
  bool journal = true;
  SnapshotLimits limits{};
};

/// Reads all of it: about a millisecond for each ten processes. Returns the JSON text, UTF-8.
/// Never fails: what cannot be read is in the member `missing`.
/// Thread: any. Blocking.
std::string take_snapshot(const SnapshotRequest& request, const base::FileSystem& files,
                          const base::Clock& clock);

}  // namespace tocsin::agent
