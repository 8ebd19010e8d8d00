#include "agent/backup/backup_set.h"

#include <array>

namespace tocsin::agent {

namespace {

constexpr std::array<std::string_view, 7> kKinds = {
    "files", "pg_dump", "base_backup", "pgbackrest", "barman", "wal_g", "wal_archive"};

}  // namespace

std::string_view to_string(BackupKind kind) {
  return kKinds[static_cast<std::size_t>(kind)];
}

std::optional<BackupKind> parse_backup_kind(std::string_view text) {
  for (std::size_t i = 0; i < kKinds.size(); ++i) {
    if (kKinds[i] == text) return static_cast<BackupKind>(i);
  }
  return std::nullopt;
}

bool is_reported(BackupKind kind) {
  return kind == BackupKind::PgBackRest || kind == BackupKind::Barman || kind == BackupKind::WalG;
}

}  // namespace tocsin::agent
