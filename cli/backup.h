// Backups of alertd itself: made by a running one, checked and restored without one.
#pragma once

#include "cli/commands.h"

namespace tocsin::cli {

/// What works on files alone works with.
struct BackupWorld {
  base::FileSystem& files;
  OutputFormat output;
  std::ostream& out;
  std::ostream& err;
};

/// Exit codes: 1 if alertd or the disk refused, 2 if alertd did not answer.
int run_backup(const BackupOptions& options, Context& context, base::FileSystem& files);
/// Exit codes: 1 if it is not as it was made, 2 if it is not there.
int run_backup_verify(const BackupOptions& options, const BackupWorld& world);
/// Exit codes: 1 if it was refused (not empty, a daemon runs, a checksum), 2 if there is no backup.
int run_restore(const RestoreOptions& options, const BackupWorld& world);

}  // namespace tocsin::cli
