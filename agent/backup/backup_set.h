// What `[[backup]]` describes: a set of backups that are made of the same thing again and again.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/backup/dump_facts.h"
#include "agent/backup/finding.h"
#include "common/base/secret.h"
#include "common/base/time.h"

namespace tocsin::agent {

enum class BackupKind {
  Files,       ///< Any files: archives, images.
  PgDump,      ///< pg_dump and pg_dumpall: plain, custom, directory, tar.
  BaseBackup,  ///< pg_basebackup: folders.
  PgBackRest,  ///< By its own report.
  Barman,
  WalG,
  WalArchive,  ///< Segments of WAL only.
};

std::string_view to_string(BackupKind kind);
std::optional<BackupKind> parse_backup_kind(std::string_view text);
/// Returns whether the backups are told of by a tool's report instead of being files here.
bool is_reported(BackupKind kind);

/// A question about restored data that must be answered with true, or with a number above 0.
struct DrillAssertion {
  std::string name{};
  std::string query{};
};

/// `[backup.drill]`: how a backup of the set is restored for a test.
struct DrillSettings {
  std::string scratch{};   ///< A folder of its own; made and removed by the drill.
  std::string programs{};  ///< Folder of initdb, postgres ...; empty: the newest of Debian's.
  std::string database{};  ///< In which assertions are asked; empty: the restored one.
  std::string superuser = "postgres";  ///< Of the cluster, which a base backup has in it.
  std::string target = "latest";  ///< Of a base backup: "latest", "random" or a time (RFC 3339).
  std::string restore_command{};  ///< Empty: made from wal_archive.
  std::string live_dsn{};         ///< Of the live server, for row counts; empty: the last drill's.
  base::Secret live_password{};
  std::size_t tables_max = 50;   ///< Largest tables whose rows are compared.
  std::uint64_t rows_min = 100;  ///< Smaller tables are not compared.
  base::Duration duration_max{3'600'000};
  base::Duration max_age{35LL * 86'400'000};  ///< A drill older than this is overdue.
  bool amcheck = true;                        ///< Run pg_amcheck if it is there.
  std::string masking_file{};  ///< SQL that takes personal data out of what was restored.
  std::vector<std::string> tablespaces{};  ///< Folders in which links of a plain backup may end.
  std::vector<DrillAssertion> assertions{};
};

struct BackupSet {
  std::string name{};  ///< The label `set`; also a file's name.
  BackupKind kind = BackupKind::Files;
  std::vector<std::string> paths{};  ///< Patterns of files, or of folders; absolute.
  base::Duration interval{300'000};  ///< Between two looks.
  base::Duration max_age{26LL * 3'600'000};
  base::Duration settle{60'000};  ///< Unchanged for so long: finished.
  base::Duration touched_after{26LL * 3'600'000};
  std::uint64_t size_min = 1'024;
  bool encryption_required = false;
  std::string signature_key{};  ///< File of the public key that backups must be signed with.
  VerifyLevel verify = VerifyLevel::Structure;  ///< Of each new backup, by the collector.
  std::uint64_t read_rate = 20 << 20;           ///< Bytes a second, when verifying.
  DumpRules dump{};
  std::string copy{};       ///< Folder of the copies elsewhere, same names.
  std::string copy_sums{};  ///< File of sha256sum's lines about the copies.

  std::string wal_archive{};
  std::uint64_t wal_segment_bytes = 16 << 20;
  base::Duration pitr_window{0};  ///< At least so far back; 0: not asked for.

  std::string report{};                ///< JSON that pgBackRest, Barman or WAL-G printed.
  std::vector<std::string> command{};  ///< Or prints it now; absolute path first.
  std::string report_name{};           ///< Of the stanza or server in it; empty: there is only one.

  std::optional<DrillSettings> drill{};
};

}  // namespace tocsin::agent
