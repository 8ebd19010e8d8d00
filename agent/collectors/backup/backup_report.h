// What pgBackRest, Barman and WAL-G say about their backups, as JSON.
//
//   pgbackrest info --output=json
//   barman --format json list-backups SERVER
//   wal-g backup-list --detail --json
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/backup/backup_set.h"
#include "common/base/result.h"
#include "common/base/time.h"

namespace tocsin::agent {

struct BackupReport {
  std::size_t backups = 0;  ///< That were finished.
  std::optional<base::WallTime> last{};
  std::optional<base::WallTime> oldest{};
  std::optional<double> last_duration_seconds{};
  std::uint64_t last_size_bytes = 0;  ///< Of the cluster, where it is told, else of the backup.
  bool has_wal = false;               ///< The tool has an archive of WAL too.
  Found found{};                      ///< What the tool itself says is wrong.
};

/// `name`: of the stanza or server; empty if there is only one.
/// Errors: InvalidArgument (no such JSON, no stanza of that name, several and none named).
base::Result<BackupReport> parse_backup_report(BackupKind kind, std::string_view json,
                                               const std::string& name);

}  // namespace tocsin::agent
