#include "agent/collectors/backup/backup_report.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cmath>

#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;
namespace json = boost::json;

namespace {

base::Error wrong(std::string_view what) {
  return base::error(ErrorCode::InvalidArgument, fmt::format("the report {}", what));
}

/// A member by its path; nullptr if there is none.
const json::value* member(const json::value& value, std::initializer_list<std::string_view> path) {
  const json::value* at = &value;
  for (const std::string_view key : path) {
    const json::object* object = at->if_object();
    if (object == nullptr) return nullptr;
    at = object->if_contains(key);
    if (at == nullptr) return nullptr;
  }
  return at;
}

std::string text_at(const json::value& value, std::initializer_list<std::string_view> path) {
  const json::value* at = member(value, path);
  return at != nullptr && at->is_string() ? std::string(at->get_string()) : std::string();
}

/// Numbers, and text that is one: Barman writes times as text.
std::optional<double> number_at(const json::value& value,
                                std::initializer_list<std::string_view> path) {
  const json::value* at = member(value, path);
  if (at == nullptr) return std::nullopt;
  if (at->is_string()) return base::parse_double(std::string_view(at->get_string()));
  if (!at->is_number()) return std::nullopt;
  return at->to_number<double>();
}

const json::array* array_at(const json::value& value,
                            std::initializer_list<std::string_view> path) {
  const json::value* at = member(value, path);
  return at == nullptr ? nullptr : at->if_array();
}

std::uint64_t bytes_at(const json::value& value, std::initializer_list<std::string_view> path) {
  const auto number = number_at(value, path);
  return number && *number > 0 ? static_cast<std::uint64_t>(*number) : 0;
}

void add_backup(BackupReport& report, double stop_seconds, std::optional<double> start_seconds,
                std::uint64_t size) {
  const base::WallTime at = base::wall_time(std::llround(stop_seconds * 1'000));
  ++report.backups;
  if (!report.oldest || at < *report.oldest) report.oldest = at;
  if (report.last && at < *report.last) return;
  report.last = at;
  report.last_size_bytes = size;
  report.last_duration_seconds.reset();
  if (start_seconds) report.last_duration_seconds = stop_seconds - *start_seconds;
}

Result<const json::value*> stanza_of(const json::value& root, const std::string& name) {
  const json::array* all = root.if_array();
  if (all == nullptr) return wrong("is no list of stanzas");
  if (name.empty() && all->size() > 1) return wrong("has several stanzas: set report_name");
  for (const json::value& each : *all) {
    if (name.empty() || text_at(each, {"name"}) == name) return &each;
  }
  return wrong(fmt::format("has no stanza '{}'", name));
}

/// Source: pgBackRest, "Info Command".
Result<BackupReport> parse_pgbackrest(const json::value& root, const std::string& name) {
  TC_TRY(const json::value* stanza, stanza_of(root, name));
  BackupReport report;
  const auto code = number_at(*stanza, {"status", "code"});
  if (!code) return wrong("has no status of the stanza");
  // 2 is "no valid backups": then the number of them says it.
  if (*code != 0 && *code != 2) {
    report.found =
        finding(fmt::format("status_{}", static_cast<int>(*code)),
                fmt::format("pgBackRest says: {}", text_at(*stanza, {"status", "message"})));
  }
  bool damaged = false;
  if (const json::array* backups = array_at(*stanza, {"backup"})) {
    for (const json::value& each : *backups) {
      const auto stop = number_at(each, {"timestamp", "stop"});
      if (!stop) continue;
      const auto before = report.last;
      add_backup(report, *stop, number_at(each, {"timestamp", "start"}),
                 bytes_at(each, {"info", "size"}));
      const json::value* error = member(each, {"error"});
      if (report.last != before) {
        damaged = error != nullptr && error->is_bool() && error->get_bool();
      }
    }
  }
  if (damaged && !report.found) {
    report.found = finding("page_checksum", "pgBackRest found damaged pages in the last backup");
  }
  const json::array* archives = array_at(*stanza, {"archive"});
  report.has_wal = archives != nullptr && !archives->empty();
  return report;
}

/// Source: Barman's manual, "list-backups", with --format json.
Result<BackupReport> parse_barman(const json::value& root, const std::string& name) {
  const json::object* servers = root.if_object();
  if (servers == nullptr) return wrong("is no object of servers");
  const json::array* backups = nullptr;
  std::size_t lists = 0;
  for (const auto& [server, value] : *servers) {
    if (!value.is_array()) continue;
    ++lists;
    if (name.empty() || server == name) backups = value.if_array();
  }
  if (backups == nullptr) return wrong(fmt::format("has no server '{}'", name));
  if (name.empty() && lists > 1) return wrong("has several servers: set report_name");
  BackupReport report;
  report.has_wal = true;
  std::string last_status;
  std::string last_id;
  for (const json::value& each : *backups) {
    const std::string status = text_at(each, {"status"});
    const auto stop = number_at(each, {"end_time_timestamp"});
    const auto begun = number_at(each, {"begin_time_timestamp"});
    // A failed one has no time, but its name is one.
    if (std::string id = text_at(each, {"backup_id"}); id > last_id) {
      last_id = std::move(id);
      last_status = status;
    }
    if (status == "FAILED" || status == "STARTED" || !stop) continue;
    add_backup(report, *stop, begun, bytes_at(each, {"size_bytes"}));
  }
  if (last_status == "FAILED") report.found = finding("failed", "Barman's last backup failed");
  return report;
}

/// Source: WAL-G, "backup-list".
Result<BackupReport> parse_wal_g(const json::value& root) {
  const json::array* backups = root.if_array();
  if (backups == nullptr) return wrong("is no list of backups");
  BackupReport report;
  report.has_wal = true;
  for (const json::value& each : *backups) {
    std::string stop = text_at(each, {"finish_time"});
    if (stop.empty()) stop = text_at(each, {"time"});
    if (stop.empty()) stop = text_at(each, {"modified"});
    const auto at = base::parse_rfc3339(stop);
    if (!at) continue;
    const auto start = base::parse_rfc3339(text_at(each, {"start_time"}));
    std::optional<double> began;
    if (start) began = base::to_seconds(*start);
    add_backup(report, base::to_seconds(*at), began, bytes_at(each, {"uncompressed_size"}));
  }
  return report;
}

}  // namespace

Result<BackupReport> parse_backup_report(BackupKind kind, std::string_view text,
                                         const std::string& name) {
  boost::system::error_code code;
  const json::value root = json::parse({text.data(), text.size()}, code);
  if (code.failed()) return wrong("is no JSON");
  if (kind == BackupKind::PgBackRest) return parse_pgbackrest(root, name);
  if (kind == BackupKind::Barman) return parse_barman(root, name);
  return parse_wal_g(root);
}

}  // namespace tocsin::agent
