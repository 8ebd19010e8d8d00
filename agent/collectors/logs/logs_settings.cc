#include "agent/collectors/logs/logs_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/strings.h"
#include "common/config/table.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kNameBytesMax = 64;
constexpr std::size_t kBucketsMax = 30;

bool is_log_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
         });
}

std::string read_log_name(config::Table& table, std::string_view key, std::string_view usual) {
  std::string name = table.string(key, usual);
  if (!is_log_name(name)) {
    table.error(key, fmt::format("'{}' is no name: 1 to {} of A-Z a-z 0-9 _ - .",
                                 base::escape_control(name), kNameBytesMax));
  }
  return name;
}

std::size_t read_count(config::Table& table, std::string_view key, std::size_t usual,
                       std::int64_t max) {
  return static_cast<std::size_t>(table.integer(key, static_cast<std::int64_t>(usual), 1, max));
}

std::uint64_t read_bytes(config::Table& table, std::string_view key, std::uint64_t usual,
                         std::uint64_t min, std::uint64_t max) {
  const std::uint64_t bytes = table.bytes(key, usual);
  if (bytes >= min && bytes <= max) return bytes;
  table.error(key, fmt::format("{} must be {} to {} bytes", key, min, max));
  return usual;
}

void read_journal(config::Table& table, bool auth, LogInputSettings& input) {
  JournalOptions journal;
  journal.units = table.strings("journal_units");
  journal.identifiers = table.strings("journal_identifiers");
  journal.directory = table.string("journal_directory", "");
  if (auth) journal.auth = table.boolean("journal", false);
  if (!journal.units.empty() || !journal.identifiers.empty() || journal.auth) {
    input.journal = std::move(journal);
  } else if (table.has("journal_directory")) {
    table.error("journal_directory", "of the whole journal nothing is read",
                "journal_units = [\"shop.service\"], or journal_identifiers");
  }
}

void read_input(config::Table& table, bool may_be_journal, bool auth, LogInputSettings& input) {
  input.tail.patterns = table.strings("path");
  for (const std::string& path : input.tail.patterns) {
    if (!path.starts_with('/') || base::escape_control(path) != path) {
      table.error("path", fmt::format("'{}' is not an absolute path", base::escape_control(path)));
    }
  }
  if (may_be_journal) read_journal(table, auth, input);
  if (input.journal && !input.tail.patterns.empty()) {
    table.error("path", "a log is read from files or from the journal",
                "make two tables of different names");
  }
  if (!input.journal && input.tail.patterns.empty()) {
    if (auth && !table.has("path")) {
      input.tail.patterns = {"/var/log/auth.log"};
    } else {
      table.error("path", "no path is given",
                  may_be_journal ? "path = \"/var/log/shop/*.log\", or journal_units = [...]"
                                 : "path = \"/var/log/nginx/access.log\"");
    }
  }
  input.tail.from_start = table.one_of("from", "end", {"end", "start"}) == "start";
  input.tail.files_max = read_count(table, "files_max", input.tail.files_max, 1'000);
  input.tail.bytes_per_round =
      read_bytes(table, "bytes_per_round", input.tail.bytes_per_round, 64U << 10U, 1U << 30U);
  input.tail.line_bytes_max = static_cast<std::size_t>(
      read_bytes(table, "line_bytes_max", input.tail.line_bytes_max, 1'024, 1U << 20U));
  if (input.journal) {
    input.journal->from_start = input.tail.from_start;
    input.journal->bytes_per_round = input.tail.bytes_per_round;
  }
  input.silent_after = table.optional_duration("silent_after");
}

void read_access_format(config::Table& table, AccessFormatSettings& format) {
  using Kind = AccessFormatSettings::Kind;
  const std::string kind =
      table.one_of("format", "combined", {"combined", "json", "traefik", "pattern"});
  format.kind = kind == "combined"  ? Kind::Combined
                : kind == "pattern" ? Kind::Pattern
                                    : Kind::Json;
  std::string unit = "s";
  if (kind == "traefik") {
    format.method_field = "RequestMethod";
    format.path_field = "RequestPath";
    format.status_field = "DownstreamStatus";
    format.bytes_field = "DownstreamContentSize";
    format.duration_field = "Duration";
    unit = "ns";
  }
  if (format.kind == Kind::Pattern) {
    format.pattern = table.required_string("pattern");
  } else if (!table.string("pattern", "").empty()) {
    table.error("pattern", "a pattern needs format = \"pattern\"");
  }
  if (format.kind == Kind::Json) {
    format.method_field = table.string("method_field", format.method_field);
    format.path_field = table.string("path_field", format.path_field);
    format.status_field = table.string("status_field", format.status_field);
    format.bytes_field = table.string("bytes_field", format.bytes_field);
    format.duration_field = table.string("duration_field", format.duration_field);
  }
  unit = table.one_of("duration_unit", unit, {"s", "ms", "us", "ns"});
  format.duration_unit_seconds = unit == "s" ? 1 : unit == "ms" ? 1e-3 : unit == "us" ? 1e-6 : 1e-9;
}

void read_buckets(config::Table& table, std::vector<double>& buckets) {
  const std::vector<std::string> texts = table.strings("buckets");
  if (texts.empty()) return;
  std::vector<double> bounds;
  for (const std::string& text : texts) {
    const auto duration = base::parse_duration(text);
    const double bound = duration ? static_cast<double>(duration->count()) / 1000 : 0;
    if (bound <= 0 || (!bounds.empty() && bound <= bounds.back())) {
      table.error("buckets", "buckets are durations, each longer than the one before",
                  "buckets = [\"50ms\", \"250ms\", \"1s\", \"2s\", \"10s\"]");
      return;
    }
    bounds.push_back(bound);
  }
  if (bounds.size() > kBucketsMax) {
    table.error("buckets", fmt::format("more than {} buckets", kBucketsMax));
    return;
  }
  buckets = std::move(bounds);
}

AccessLogSettings read_access_log(config::Table& table) {
  AccessLogSettings settings;
  settings.name = read_log_name(table, "name", "access");
  read_input(table, false, false, settings);
  AccessLogOptions& options = settings.options;
  options.job = read_log_name(table, "job", settings.name);
  read_access_format(table, options.format);
  for (config::Table& route : table.tables("route")) {
    const std::string pattern = route.required_string("pattern");
    const std::string name = route.required_string("name");
    options.routes.push_back({pattern, name});
    if (auto made = Routes::make({options.routes.back()}, 1); !made) {
      route.error("pattern", made.error().message);
    }
    if (name.empty() || name.size() > 120 || base::escape_control(name) != name) {
      route.error("name", "the name of a route is 1 to 120 bytes without control characters");
    }
    route.finish();
  }
  options.routes_max = read_count(table, "routes_max", options.routes_max, 1'000);
  read_buckets(table, options.buckets);
  if (auto made = AccessFormat::make(options.format); !made && !options.format.pattern.empty()) {
    table.error("pattern", made.error().message);
  }
  table.finish();
  return settings;
}

void read_app_patterns(config::Table& table, AppLogOptions& options) {
  for (config::Table& one : table.tables("pattern")) {
    LogPattern pattern;
    pattern.name = read_log_name(one, "name", "");
    pattern.regex = one.required_string("regex");
    const std::string value = one.one_of("value", "none", {"none", "gauge", "counter"});
    if (value == "gauge") pattern.value = LogPattern::Value::Gauge;
    if (value == "counter") pattern.value = LogPattern::Value::Counter;
    for (const LogPattern& other : options.patterns) {
      if (other.name == pattern.name) {
        one.error("name", fmt::format("two patterns are called '{}'", pattern.name));
      }
    }
    AppLogOptions alone;
    alone.patterns = {pattern};
    if (auto made = AppLog::make(std::move(alone), base::RealClock()); !made) {
      one.error("regex", made.error().message);
    }
    one.finish();
    options.patterns.push_back(std::move(pattern));
  }
}

AppLogSettings read_app_log(config::Table& table) {
  AppLogSettings settings;
  settings.name = read_log_name(table, "name", "app");
  read_input(table, true, false, settings);
  AppLogOptions& options = settings.options;
  options.log = settings.name;
  options.level_field = table.string("level_field", "");
  options.fingerprints = table.boolean("fingerprints", options.fingerprints);
  options.fingerprints_max =
      read_count(table, "fingerprints_max", options.fingerprints_max, 10'000);
  options.learning = table.duration("learning", options.learning);
  options.personal_data = table.boolean("personal_data", options.personal_data);
  options.audit_marker = table.string("audit_marker", options.audit_marker);
  options.audit_action_field = table.string("audit_action_field", options.audit_action_field);
  options.audit_status_field = table.string("audit_status_field", options.audit_status_field);
  options.audit_silent_after = table.optional_duration("audit_silent_after");
  read_app_patterns(table, options);
  table.finish();
  return settings;
}

AuthLogSettings read_auth_log(config::Table& table) {
  AuthLogSettings settings;
  settings.name = read_log_name(table, "name", "auth");
  read_input(table, true, true, settings);
  AuthLogOptions& options = settings.options;
  options.log = settings.name;
  options.pattern = table.string("pattern", "");
  options.trusted_proxies = table.strings("trusted_proxies");
  options.service_accounts = table.strings("service_accounts");
  options.admin_groups = table.strings("admin_groups", options.admin_groups);
  options.success_after = read_count(table, "success_after", options.success_after, 10'000);
  if (auto made = AuthLog::make(options, base::RealClock()); !made) {
    const bool proxies = !TrustedProxies::parse(options.trusted_proxies);
    table.error(proxies ? "trusted_proxies" : "pattern", made.error().message);
  }
  table.finish();
  return settings;
}

void read_log_files(config::Table table, bool logs, LogsSettings& settings) {
  const bool deleted = table.boolean("deleted", logs || table.has("deleted_interval"));
  DeletedFilesOptions options;
  options.interval = table.duration("deleted_interval", options.interval);
  if (options.interval < base::Duration{1'000}) {
    table.error("deleted_interval", "deleted_interval must be at least 1s");
  }
  if (deleted) settings.deleted = std::move(options);
  settings.logrotate_status =
      table.string("logrotate_status", logs ? "/var/lib/logrotate/status" : "");
  table.finish();
}

template <class ReadOne>
auto read_logs(config::Table& root, std::string_view key, ReadOne read_one) {
  std::vector<decltype(read_one(std::declval<config::Table&>()))> all;
  for (config::Table& table : root.tables(key)) {
    auto settings = read_one(table);
    for (const auto& other : all) {
      if (other.name != settings.name) continue;
      table.error("name", fmt::format("two tables are called '{}'", settings.name),
                  "the name is the label `log` of their metrics");
    }
    all.push_back(std::move(settings));
  }
  return all;
}

}  // namespace

LogsSettings read_logs_settings(config::Table& root, base::Duration interval) {
  LogsSettings settings;
  settings.apps = read_logs(root, "log", read_app_log);
  settings.accesses = read_logs(root, "access_log", read_access_log);
  settings.auths = read_logs(root, "auth_log", read_auth_log);
  settings.timeout = std::min(settings.timeout, interval * 4 / 5);
  const bool logs = settings.any();
  read_log_files(root.table("log_files"), logs, settings);
  return settings;
}

}  // namespace tocsin::agent
