#include "agent/backup/restored_rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/strings.h"
#include "common/postgres/connection.h"

namespace tocsin::agent {

using base::Result;

namespace {

constexpr const char* kDatabases =
    "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate"
    " ORDER BY datname";

// A subscription of the backup would take its publisher's changes away; a foreign server would be
// logged in to.
constexpr const char* kCutOff = R"(DO $cut$
DECLARE one record;
BEGIN
  FOR one IN SELECT subname FROM pg_catalog.pg_subscription s
             JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
             WHERE d.datname = current_database() LOOP
    EXECUTE format('ALTER SUBSCRIPTION %I DISABLE', one.subname);
    EXECUTE format('ALTER SUBSCRIPTION %I SET (slot_name = NONE)', one.subname);
    EXECUTE format('DROP SUBSCRIPTION %I', one.subname);
  END LOOP;
  FOR one IN SELECT srvname, usename FROM pg_catalog.pg_user_mappings LOOP
    EXECUTE format('DROP USER MAPPING IF EXISTS FOR %s SERVER %I',
                   CASE one.usename WHEN 'public' THEN 'PUBLIC' ELSE quote_ident(one.usename) END,
                   one.srvname);
  END LOOP;
END
$cut$)";

constexpr const char* kCounter = R"(
CREATE FUNCTION pg_temp.tocsin_count(n name, c name) RETURNS bigint LANGUAGE plpgsql AS $count$
DECLARE rows bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM %I.%I', n, c) INTO rows;
  RETURN rows;
END
$count$)";

constexpr const char* kTables =
    "SELECT count(*) FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

constexpr const char* kRows =
    "SELECT t.nspname || '.' || t.relname, pg_temp.tocsin_count(t.nspname, t.relname) FROM"
    " (SELECT n.nspname, c.relname FROM pg_catalog.pg_class c"
    "  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    "  WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
    "  ORDER BY pg_catalog.pg_relation_size(c.oid) DESC, 1, 2 LIMIT $1::bigint) t";

constexpr const char* kLive =
    "SELECT n.nspname || '.' || c.relname, c.reltuples::bigint FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind = 'r' AND c.reltuples > 0 AND n.nspname !~ '^pg_'"
    " AND n.nspname <> 'information_schema' ORDER BY c.reltuples DESC LIMIT $1::bigint";

constexpr const char* kLastChange =
    "SELECT (extract(epoch FROM pg_catalog.pg_last_xact_replay_timestamp()) * 1000)::bigint";

constexpr std::int64_t kLiveTablesMax = 10'000;

Result<void> change(postgres::Connection& connection, const char* sql) {
  postgres::Transaction transaction(connection);
  TC_TRY(transaction.begin());
  TC_TRY(transaction.script(sql));
  return transaction.commit();
}

using TableRows = std::map<std::string, std::uint64_t>;

/// Returns the number of tables; the rows of the largest are in `rows`.
Result<std::uint64_t> count_database(const ScratchCluster& cluster, const DrillSettings& drill,
                                     const std::string& database, TableRows& rows) {
  TC_TRY(const auto connection, connect_restored(cluster, database));
  TC_TRY(change(*connection, kCutOff));
  TC_TRY(change(*connection, kCounter));
  TC_TRY(const auto tables, ask(*connection, kTables));
  TC_TRY(const auto counts,
         ask(*connection, kRows,
             postgres::Values().integer(static_cast<std::int64_t>(drill.tables_max))));
  for (std::size_t i = 0; i < counts.size(); ++i) {
    rows[counts.text(i, 0)] = static_cast<std::uint64_t>(counts.integer(i, 1));
  }
  return static_cast<std::uint64_t>(tables.integer(0, 0));
}

Result<void> count_all(const ScratchCluster& cluster, const DrillSettings& drill,
                       RestoredData& data) {
  std::vector<std::string> names;
  {
    TC_TRY(const auto connection, connect_restored(cluster, "template1"));
    TC_TRY(const auto rows, ask(*connection, kDatabases));
    for (std::size_t i = 0; i < rows.size(); ++i) names.push_back(rows.text(i, 0));
    TC_TRY(const auto last, ask(*connection, kLastChange));
    if (const auto ms = last.optional_integer(0, 0)) data.last_change = base::wall_time(*ms);
  }
  std::map<std::string, TableRows> rows_of;
  for (const std::string& database : names) {
    TableRows rows;
    TC_TRY(const std::uint64_t tables, count_database(cluster, drill, database, rows));
    if (tables == 0) continue;  // such as the database postgres of every cluster
    data.tables += tables;
    data.databases.push_back(database);
    rows_of[database] = std::move(rows);
  }
  for (const auto& [database, rows] : rows_of) {
    const std::string prefix = rows_of.size() > 1 ? database + "/" : std::string();
    for (const auto& [table, count] : rows) data.rows[prefix + table] = count;
  }
  // Many databases together may have more tables than one.
  while (data.rows.size() > drill.tables_max) {
    data.rows.erase(
        std::min_element(data.rows.begin(), data.rows.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; }));
  }
  return base::ok();
}

bool is_true(const postgres::Rows& rows) {
  if (rows.size() == 0 || rows.is_null(0, 0)) return false;
  const std::string& text = rows.text(0, 0);
  if (text == "t" || text == "true") return true;
  const auto number = base::parse_double(text);
  return number && *number > 0;
}

}  // namespace

Result<std::unique_ptr<postgres::Connection>> connect_restored(const ScratchCluster& cluster,
                                                               const std::string& database) {
  postgres::Settings settings;
  settings.dsn = cluster.dsn(database);
  settings.application_name = "tocsin-drill";
  settings.statement_timeout = std::max(cluster.left(), base::Duration{1'000});
  return postgres::Connection::connect(settings);
}

Result<postgres::Rows> ask(postgres::Connection& connection, const char* sql,
                           const postgres::Values& values) {
  postgres::Transaction transaction(connection);
  TC_TRY(transaction.begin());
  TC_TRY(auto rows, transaction.run(sql, values));
  TC_TRY(transaction.commit());
  return rows;
}

Result<std::unique_ptr<postgres::Connection>> connect_live(const DrillSettings& drill) {
  postgres::Settings settings;
  settings.dsn = drill.live_dsn;
  settings.password = drill.live_password;
  settings.application_name = "tocsin-drill";
  settings.read_only = true;
  return postgres::Connection::connect(settings);
}

std::string main_database(const DrillSettings& drill, const RestoredData& data) {
  if (!drill.database.empty()) return drill.database;
  return data.databases.empty() ? "postgres" : data.databases.front();
}

Found count_restored(const ScratchCluster& cluster, const DrillSettings& drill,
                     RestoredData& data) {
  const auto counted = count_all(cluster, drill, data);
  if (counted) return {};
  if (counted.error().code == base::ErrorCode::Timeout) {
    return finding("timeout", counted.error().message);
  }
  const std::string& why = counted.error().message;
  if (why.find("role \"") != std::string::npos) {
    return finding("no_role", fmt::format("{}; set [backup.drill] superuser", why));
  }
  return finding("unreadable_data", fmt::format("rows cannot be counted: {}", why));
}

Result<std::map<std::string, std::uint64_t>> live_rows(const DrillSettings& drill) {
  std::map<std::string, std::uint64_t> rows;
  if (drill.live_dsn.empty()) return rows;
  TC_TRY(const auto connection, connect_live(drill));
  TC_TRY(const auto answer, ask(*connection, kLive, postgres::Values().integer(kLiveTablesMax)));
  for (std::size_t i = 0; i < answer.size(); ++i) {
    rows[answer.text(i, 0)] = static_cast<std::uint64_t>(answer.integer(i, 1));
  }
  return rows;
}

std::map<std::string, double> rows_ratios(const DrillSettings& drill,
                                          const std::map<std::string, std::uint64_t>& restored,
                                          const std::map<std::string, std::uint64_t>& live,
                                          const std::map<std::string, std::uint64_t>& last_drill) {
  std::map<std::string, double> ratios;
  const auto compare = [&](const std::map<std::string, std::uint64_t>& expected, bool gone_counts) {
    for (const auto& [table, rows] : expected) {
      if (rows < drill.rows_min) continue;
      const auto found = restored.find(table);
      if (found == restored.end() && !gone_counts) continue;
      const std::uint64_t have = found == restored.end() ? 0 : found->second;
      double& ratio = ratios.emplace(table, 0).first->second;
      ratio = std::max(ratio, static_cast<double>(have) / static_cast<double>(rows));
    }
  };
  // The live server has tables beyond the largest that were counted; a table of the last drill that
  // is not there any more was dropped, unless the live server still has it.
  compare(live, restored.size() < drill.tables_max);
  std::map<std::string, std::uint64_t> last = last_drill;
  if (!live.empty()) {
    std::erase_if(last, [&](const auto& each) { return !live.contains(each.first); });
  }
  compare(last, restored.size() < drill.tables_max);
  while (ratios.size() > drill.tables_max) {
    ratios.erase(std::max_element(ratios.begin(), ratios.end(), [](const auto& a, const auto& b) {
      return a.second < b.second;
    }));
  }
  return ratios;
}

Found ask_assertions(const ScratchCluster& cluster, const DrillSettings& drill,
                     const RestoredData& data) {
  if (drill.assertions.empty()) return {};
  const std::string database = main_database(drill, data);
  const auto connection = connect_restored(cluster, database);
  if (!connection) return finding("unreadable_data", connection.error().message);
  for (const DrillAssertion& assertion : drill.assertions) {
    const auto answer = ask(**connection, assertion.query.c_str());
    if (answer && is_true(*answer)) continue;
    return finding(
        "assertion_failed",
        fmt::format("'{}' {}", assertion.name,
                    answer ? std::string("is not true of the restored data")
                           : fmt::format("cannot be asked: {}", answer.error().message)));
  }
  return {};
}

}  // namespace tocsin::agent
