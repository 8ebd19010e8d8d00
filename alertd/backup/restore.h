// From a backup to a data folder that alertd can start on.
#pragma once

#include <cstdint>
#include <string>

#include "alertd/backup/archive.h"

namespace tocsin::backup {

/// Lies in a data folder that is being restored; alertd does not start on it.
inline constexpr std::string_view kRestoringName = "restore-unfinished";
/// Configuration and rules are put there, inside the data folder: where they belong, the host says.
inline constexpr std::string_view kRestoredConfiguration = "restored-configuration";

struct Restored {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  bool configuration = false;  ///< There is some, in kRestoredConfiguration.
};

/// Checks all of `source`, then writes it to `data_folder`, which is missing or empty.
///
/// Nothing is written if a checksum is wrong. A restore that does not come to its end leaves
/// kRestoringName behind.
/// Errors: InvalidArgument (the folder is not empty), those of ArchiveReader::read, Io.
base::Result<Restored> restore(const ArchiveReader& source, base::FileSystem& files,
                               const std::string& data_folder);

/// Errors: Unavailable if a restore into the folder did not come to its end.
base::Result<void> check_no_unfinished_restore(const base::FileSystem& files,
                                               const std::string& data_folder);

}  // namespace tocsin::backup
