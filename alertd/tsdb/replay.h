// Reads checkpoint and log back into memory when the store opens.
//
// Anything may be damaged: a torn tail of the last log file is what a crash leaves and is cut off;
// other damage is passed over, reported, and the file is kept under another name once a checkpoint
// holds what could be read. Repeated samples are harmless, so a checkpoint may overlap the log
// after it. Without a whole checkpoint the labels come from the segments, which have them too.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "alertd/tsdb/segment.h"
#include "alertd/tsdb/series_table.h"
#include "common/base/file_system.h"

namespace tocsin::tsdb {

/// What was found on disk.
struct ReplayReport {
  std::uint64_t frames = 0;
  std::uint64_t samples = 0;
  std::uint64_t samples_unknown_series = 0;  ///< Their series was in a damaged place.
  std::uint64_t damaged_bytes = 0;
  std::uint64_t torn_bytes = 0;  ///< Cut off the end of the last log file.
  std::vector<std::string> damaged_files;
  std::map<std::uint64_t, std::uint64_t> logs;  ///< Number -> bytes; those still needed.
  std::uint64_t checkpoint_bytes = 0;
  std::uint64_t next_number = 1;   ///< For the next log file.
  std::uint64_t next_segment = 0;  ///< Of the checkpoint: what was written since has this or more.
};

/// Where and how to read.
struct ReplaySource {
  base::FileSystem& files;
  std::string folder;  ///< Exists.
  const SegmentSet& segments;
  AppendRules rules;
};

/// Loads checkpoint and log into the empty `table`.
/// Errors: Io, PermissionDenied (folder not usable). Damage is not an error; see the report.
base::Result<ReplayReport> replay(const ReplaySource& source, SeriesTable& table);

}  // namespace tocsin::tsdb
