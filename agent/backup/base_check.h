// The structure of a base backup (V2): every file that backup_manifest names, with its length and
// checksum, as folders or as tar archives; and the WAL that it needs.
#pragma once

#include <string>

#include "agent/backup/content_check.h"

namespace tocsin::agent {

/// Returns whether a folder holds a base backup, finished or not.
bool is_base_backup(const base::FileSystem& files, const std::string& folder);

/// Findings: "file_missing", "size_differs", "checksum_mismatch", "wal_missing", "incomplete", and
/// those of reading.
Found check_base_backup(const std::string& folder, CheckContext& context);

}  // namespace tocsin::agent
