#include "agent/backup/backup_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "common/config/table.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kNameBytesMax = 64;
constexpr base::Duration kIntervalMin{1'000};

bool is_set_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
         });
}

std::string absolute(config::Table& table, std::string_view key) {
  std::string path = table.string(key, "");
  if (!path.empty() && !path.starts_with('/')) {
    table.error(key, fmt::format("'{}' is not an absolute path", path));
  }
  return path;
}

base::Duration at_least(config::Table& table, std::string_view key, base::Duration usual,
                        base::Duration min) {
  const base::Duration value = table.duration(key, usual);
  if (value < min) {
    table.error(key, fmt::format("{} must be at least {}", key, base::format_duration(min)));
  }
  return value;
}

void read_dump_rules(config::Table& table, DumpRules& rules) {
  rules.tables_min = static_cast<std::uint64_t>(
      table.integer("tables_min", static_cast<std::int64_t>(rules.tables_min), 0, 1'000'000));
  rules.rows_required = table.boolean("rows_required", rules.rows_required);
  rules.tables = table.strings("tables");
  for (const std::string& name : rules.tables) {
    if (name.find('.') != std::string::npos) continue;
    table.error("tables", fmt::format("'{}' has no schema", name), "tables = [\"public.student\"]");
  }
}

void read_wal(config::Table& table, BackupSet& set) {
  set.wal_archive = absolute(table, "wal_archive");
  set.wal_segment_bytes = table.bytes("wal_segment_size", set.wal_segment_bytes);
  const std::uint64_t bytes = set.wal_segment_bytes;
  if (bytes < 1 << 20 || bytes > 1 << 30 || (bytes & (bytes - 1)) != 0) {
    table.error("wal_segment_size", "wal_segment_size must be a power of two, 1MiB to 1GiB");
    set.wal_segment_bytes = 16 << 20;
  }
  set.pitr_window = table.duration("pitr_window", set.pitr_window);
  if (set.kind == BackupKind::WalArchive && set.wal_archive.empty()) {
    table.error("wal_archive", "a set of the kind wal_archive needs the folder",
                "wal_archive = \"/backups/wal\"");
  }
}

void read_report(config::Table& table, BackupSet& set) {
  set.report = absolute(table, "report");
  set.command = table.strings("command");
  set.report_name = table.string("report_name", "");
  if (!set.command.empty() && !set.command[0].starts_with('/')) {
    table.error("command", "the program's path must be absolute",
                "command = [\"/usr/bin/pgbackrest\", \"info\", \"--output=json\"]");
  }
  if (is_reported(set.kind) && set.report.empty() == set.command.empty()) {
    table.error("report", fmt::format("a set of the kind {} needs report or command, not both",
                                      to_string(set.kind)));
  }
}

void read_drill(config::Table table, BackupSet& set) {
  DrillSettings drill;
  drill.scratch = absolute(table, "scratch");
  if (drill.scratch.empty()) {
    table.error("scratch", "a drill needs a folder that it may make and remove",
                "scratch = \"/var/lib/tocsin/agent/drill\"");
  }
  drill.programs = absolute(table, "programs");
  drill.database = table.string("database", "");
  drill.superuser = table.string("superuser", drill.superuser);
  drill.target = table.string("target", drill.target);
  if (drill.target != "latest" && drill.target != "random") {
    if (const auto at = base::parse_rfc3339(drill.target); !at) {
      table.error("target",
                  "target is \"latest\", \"random\" or a time such as "
                  "\"2026-11-27T03:00:00Z\"");
    }
  }
  drill.restore_command = table.string("restore_command", "");
  drill.live_dsn = table.string("live_dsn", "");
  if (auto password = table.secret("live_password")) drill.live_password = std::move(*password);
  drill.tables_max = static_cast<std::size_t>(
      table.integer("tables_max", static_cast<std::int64_t>(drill.tables_max), 0, 1'000));
  drill.rows_min = static_cast<std::uint64_t>(
      table.integer("rows_min", static_cast<std::int64_t>(drill.rows_min), 1, 1'000'000'000));
  drill.duration_max = at_least(table, "duration_max", drill.duration_max, base::Duration{10'000});
  drill.max_age = at_least(table, "max_age", drill.max_age, base::Duration{60'000});
  drill.amcheck = table.boolean("amcheck", drill.amcheck);
  drill.masking_file = absolute(table, "masking_file");
  drill.tablespaces = table.strings("tablespaces");
  for (const std::string& folder : drill.tablespaces) {
    if (!folder.starts_with('/')) {
      table.error("tablespaces", fmt::format("'{}' is not an absolute path", folder));
    }
  }
  for (config::Table& one : table.tables("assertion")) {
    DrillAssertion assertion;
    assertion.name = one.required_string("name");
    assertion.query = one.required_string("query");
    one.finish();
    drill.assertions.push_back(std::move(assertion));
  }
  table.finish();
  set.drill = std::move(drill);
}

BackupSet read_one(config::Table& table) {
  BackupSet set;
  set.name = table.required_string("name");
  if (!set.name.empty() && !is_set_name(set.name)) {
    table.error("name", fmt::format("'{}' must be letters, digits, '_', '-', '.'", set.name));
  }
  const std::vector<std::string> kinds = {"files",  "pg_dump", "base_backup", "pgbackrest",
                                          "barman", "wal_g",   "wal_archive"};
  set.kind = *parse_backup_kind(table.one_of("kind", "files", kinds));
  set.paths = table.strings("path");
  for (const std::string& path : set.paths) {
    if (!path.starts_with('/')) {
      table.error("path", fmt::format("'{}' is not an absolute path", path));
    }
  }
  const bool of_files = !is_reported(set.kind) && set.kind != BackupKind::WalArchive;
  if (of_files == set.paths.empty()) {
    table.error("path",
                of_files ? "which files or folders are the backups?"
                         : fmt::format("a set of the kind {} has no path", to_string(set.kind)),
                of_files ? "path = \"/backups/db/*.dump\"" : "");
  }
  set.interval = at_least(table, "interval", set.interval, kIntervalMin);
  set.max_age = at_least(table, "max_age", set.max_age, kIntervalMin);
  set.settle = table.duration("settle", set.settle);
  set.touched_after = table.duration("touched_after", set.touched_after);
  set.size_min = table.bytes("size_min", set.size_min);
  set.encryption_required = table.boolean("encryption_required", set.encryption_required);
  set.signature_key = absolute(table, "signature_key");
  if (!set.signature_key.empty() && is_reported(set.kind)) {
    table.error("signature_key",
                fmt::format("a set of the kind {} has no files to be signed", to_string(set.kind)));
  }
  set.verify =
      *parse_verify_level(table.one_of("verify", "structure", {"size", "structure", "checksum"}));
  set.read_rate = table.bytes("read_rate", set.read_rate);
  set.copy = absolute(table, "copy");
  set.copy_sums = absolute(table, "copy_sums");
  read_dump_rules(table, set.dump);
  read_wal(table, set);
  read_report(table, set);
  if (table.has("drill")) read_drill(table.table("drill"), set);
  if (set.drill && set.kind != BackupKind::PgDump && set.kind != BackupKind::BaseBackup) {
    table.error("drill", "only sets of the kinds pg_dump and base_backup can be restored here");
  }
  table.finish();
  return set;
}

}  // namespace

const BackupSet* BackupSettings::find(const std::string& name) const {
  const auto found = std::find_if(sets->begin(), sets->end(),
                                  [&name](const BackupSet& set) { return set.name == name; });
  return found == sets->end() ? nullptr : &*found;
}

BackupSettings read_backup_settings(config::Table& root, base::Duration interval,
                                    std::string state_folder) {
  auto sets = std::make_shared<std::vector<BackupSet>>();
  std::set<std::string> names;
  for (config::Table& table : root.tables("backup")) {
    sets->push_back(read_one(table));
    if (!names.insert(sets->back().name).second) {
      table.error("name", fmt::format("two sets are called '{}'", sets->back().name),
                  "the name is the label `set` of their metrics");
    }
  }
  BackupSettings settings;
  settings.sets = std::move(sets);
  settings.state_folder = std::move(state_folder);
  settings.timeout = std::min(settings.timeout, interval * 4 / 5);
  return settings;
}

}  // namespace tocsin::agent
