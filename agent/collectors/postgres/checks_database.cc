// Databases, tables and indexes.
#include "agent/collectors/postgres/check.h"

namespace tocsin::agent {

namespace {

constexpr auto kCounter = model::MetricType::Counter;

Check stat_database(std::string name, std::string more_columns, int version_min, int version_max,
                    std::vector<NamedMetric> more_metrics) {
  Check check{
      .name = std::move(name),
      .sql =
          "SELECT datid::text, coalesce(datname, ''), numbackends, xact_commit, xact_rollback,"
          " blks_read, blks_hit, tup_returned, tup_fetched, tup_inserted, tup_updated,"
          " tup_deleted, conflicts, temp_files, temp_bytes, deadlocks, blk_read_time,"
          " blk_write_time, extract(epoch FROM stats_reset)" +
          more_columns + " FROM pg_catalog.pg_stat_database",
      .labels = {"datid", "datname"},
      .metrics = {{"pg_stat_database_numbackends", "Sessions connected."},
                  {"pg_stat_database_xact_commit", "Transactions committed.", kCounter},
                  {"pg_stat_database_xact_rollback", "Transactions rolled back.", kCounter},
                  {"pg_stat_database_blks_read", "Blocks read from disk.", kCounter},
                  {"pg_stat_database_blks_hit", "Blocks found in the buffer cache.", kCounter},
                  {"pg_stat_database_tup_returned", "Rows scanned.", kCounter},
                  {"pg_stat_database_tup_fetched", "Rows fetched by index scans.", kCounter},
                  {"pg_stat_database_tup_inserted", "Rows inserted.", kCounter},
                  {"pg_stat_database_tup_updated", "Rows updated.", kCounter},
                  {"pg_stat_database_tup_deleted", "Rows deleted.", kCounter},
                  {"pg_stat_database_conflicts", "Queries cancelled by recovery.", kCounter},
                  {"pg_stat_database_temp_files", "Temporary files written.", kCounter},
                  {"pg_stat_database_temp_bytes", "Bytes of temporary files.", kCounter},
                  {"pg_stat_database_deadlocks", "Deadlocks.", kCounter},
                  {"pg_stat_database_blk_read_time", "Milliseconds spent reading.", kCounter},
                  {"pg_stat_database_blk_write_time", "Milliseconds spent writing.", kCounter},
                  {"pg_stat_database_stats_reset", "When the counters began, as Unix time."}},
      .version_min = version_min,
      .version_max = version_max};
  for (NamedMetric& metric : more_metrics) check.metrics.push_back(std::move(metric));
  return check;
}

}  // namespace

std::vector<Check> database_checks() {
  std::vector<Check> checks;
  checks.push_back(stat_database("stat_database", "", 90'600, 119'999, {}));
  const NamedMetric checksum{"pg_stat_database_checksum_failures",
                             "Pages whose checksum was wrong; none if checksums are off.",
                             kCounter};
  checks.push_back(
      stat_database("stat_database", ", checksum_failures", 120'000, 139'999, {checksum}));
  checks.push_back(stat_database(
      "stat_database",
      ", checksum_failures, session_time, active_time, idle_in_transaction_time, sessions,"
      " sessions_abandoned, sessions_fatal, sessions_killed",
      140'000, INT_MAX,
      {checksum,
       {"pg_stat_database_session_time", "Milliseconds of all sessions.", kCounter},
       {"pg_stat_database_active_time", "Milliseconds executing statements.", kCounter},
       {"pg_stat_database_idle_in_transaction_time", "Milliseconds idle in a transaction.",
        kCounter},
       {"pg_stat_database_sessions", "Sessions begun.", kCounter},
       {"pg_stat_database_sessions_abandoned", "Sessions whose client was lost.", kCounter},
       {"pg_stat_database_sessions_fatal", "Sessions ended by fatal errors.", kCounter},
       {"pg_stat_database_sessions_killed", "Sessions ended by an operator.", kCounter}}));
  checks.push_back(
      {.name = "stat_database_conflicts",
       .sql = R"sql(
SELECT datid::text, datname, confl_tablespace, confl_lock, confl_snapshot, confl_bufferpin,
  confl_deadlock FROM pg_catalog.pg_stat_database_conflicts)sql",
       .labels = {"datid", "datname"},
       .metrics = {
           {"pg_stat_database_conflicts_confl_tablespace", "Dropped tablespaces.", kCounter},
           {"pg_stat_database_conflicts_confl_lock", "Lock time-outs.", kCounter},
           {"pg_stat_database_conflicts_confl_snapshot", "Old snapshots.", kCounter},
           {"pg_stat_database_conflicts_confl_bufferpin", "Pinned buffers.", kCounter},
           {"pg_stat_database_conflicts_confl_deadlock", "Deadlocks.", kCounter}}});
  checks.push_back(
      {.name = "database_wraparound",
       .sql = R"sql(
SELECT datname, age(datfrozenxid), mxid_age(datminmxid), age(datfrozenxid), mxid_age(datminmxid)
FROM pg_catalog.pg_database WHERE datallowconn)sql",
       .labels = {"datname"},
       // The exporter's names say seconds; they are transactions.
       .metrics = {{"pg_database_wraparound_age_datfrozenxid_seconds",
                    "Age of the oldest transaction id that is not frozen, in transactions."},
                   {"pg_database_wraparound_age_datminmxid_seconds",
                    "Age of the oldest multixact id, in multixacts."},
                   {"pg_database_xid_age",
                    "Transactions since the oldest one that is not frozen; the server stops near "
                    "2e9."},
                   {"pg_database_mxid_age", "The same of multixacts."}}});
  checks.push_back({.name = "database_size",
                    .sql = R"sql(
SELECT datname, pg_catalog.pg_database_size(oid) FROM pg_catalog.pg_database
WHERE datallowconn AND NOT datistemplate)sql",
                    .labels = {"datname"},
                    .metrics = {{"pg_database_size_bytes", "Size on disk."}},
                    .every = std::chrono::minutes(1),
                    .needs = "GRANT pg_monitor"});
  // The tables with most dead rows or most rows: the others do not hurt.
  checks.push_back(
      {.name = "stat_user_tables",
       .sql = R"sql(
SELECT t.schemaname, t.relname, seq_scan, idx_scan, n_live_tup, n_dead_tup, n_mod_since_analyze,
  extract(epoch FROM greatest(last_vacuum, last_autovacuum)),
  extract(epoch FROM greatest(last_analyze, last_autoanalyze)),
  vacuum_count, autovacuum_count, analyze_count, autoanalyze_count,
  pg_catalog.pg_total_relation_size(t.relid), age(c.relfrozenxid)
FROM pg_catalog.pg_stat_user_tables t JOIN pg_catalog.pg_class c ON c.oid = t.relid
ORDER BY n_dead_tup + n_live_tup / 10 DESC, t.relid LIMIT 100)sql",
       .labels = {"schemaname", "relname"},
       .metrics = {{"pg_stat_user_tables_seq_scan", "Sequential scans.", kCounter},
                   {"pg_stat_user_tables_idx_scan", "Index scans.", kCounter},
                   {"pg_stat_user_tables_n_live_tup", "Rows, estimated."},
                   {"pg_stat_user_tables_n_dead_tup", "Dead rows, estimated."},
                   {"pg_stat_user_tables_n_mod_since_analyze",
                    "Rows changed since the last ANALYZE."},
                   {"pg_stat_user_tables_last_vacuum", "Last VACUUM of either kind, as Unix time."},
                   {"pg_stat_user_tables_last_analyze",
                    "Last ANALYZE of either kind, as Unix time."},
                   {"pg_stat_user_tables_vacuum_count", "VACUUMs by hand.", kCounter},
                   {"pg_stat_user_tables_autovacuum_count", "Autovacuums.", kCounter},
                   {"pg_stat_user_tables_analyze_count", "ANALYZEs by hand.", kCounter},
                   {"pg_stat_user_tables_autoanalyze_count", "Autoanalyzes.", kCounter},
                   {"pg_stat_user_tables_size_bytes", "Size with indexes and TOAST."},
                   {"pg_stat_user_tables_xid_age", "Age of its oldest transaction id."}},
       .every = std::chrono::minutes(1),
       .scope = Check::Scope::EachDatabase,
       .needs = "CONNECT on the database"});
  checks.push_back(
      {.name = "index_invalid",
       .sql = R"sql(
SELECT n.nspname, t.relname, c.relname, 1
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks l
  WHERE l.relation = i.indexrelid AND l.mode = 'ShareUpdateExclusiveLock')
LIMIT 100)sql",
       .labels = {"schemaname", "relname", "indexrelname"},
       .metrics = {{"pg_index_invalid",
                    "1 for an index that is kept up to date and never used: left by a failed "
                    "CREATE or REINDEX CONCURRENTLY."}},
       .every = std::chrono::minutes(1),
       .scope = Check::Scope::EachDatabase});
  // On a standby scans are counted for itself only; who looks at one must look at all.
  checks.push_back(
      {.name = "index_unused",
       .sql = R"sql(
SELECT s.schemaname, s.relname, s.indexrelname, pg_catalog.pg_relation_size(s.indexrelid)
FROM pg_catalog.pg_stat_user_indexes s JOIN pg_catalog.pg_index i USING (indexrelid)
WHERE s.idx_scan = 0 AND NOT i.indisunique AND i.indisvalid
  AND pg_catalog.pg_relation_size(s.indexrelid) > 1048576
ORDER BY 4 DESC LIMIT 50)sql",
       .labels = {"schemaname", "relname", "indexrelname"},
       .metrics = {{"pg_index_unused_size_bytes",
                    "Size of an index over 1 MiB that no scan has used since the statistics "
                    "began."}},
       .every = std::chrono::minutes(10),
       .scope = Check::Scope::EachDatabase});
  checks.push_back(
      {.name = "index_duplicate",
       .sql = R"sql(
SELECT n.nspname, t.relname, min(c.relname::text), count(*)
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'pg_toast')
GROUP BY n.nspname, t.relname, i.indrelid, i.indkey::text, i.indclass::text, i.indcollation::text,
  i.indoption::text, coalesce(pg_catalog.pg_get_expr(i.indexprs, i.indrelid), ''),
  coalesce(pg_catalog.pg_get_expr(i.indpred, i.indrelid), '')
HAVING count(*) > 1 LIMIT 50)sql",
       .labels = {"schemaname", "relname", "indexrelname"},
       .metrics = {{"pg_index_duplicates", "Indexes that are the same, of which this is one."}},
       .every = std::chrono::minutes(10),
       .scope = Check::Scope::EachDatabase});
  checks.push_back(
      {.name = "foreign_key_unindexed",
       .sql = R"sql(
SELECT n.nspname, t.relname, f.conname, t.reltuples
FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_class t ON t.oid = f.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE f.contype = 'f' AND t.reltuples > 100000 AND NOT EXISTS (
  SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = f.conrelid AND i.indpred IS NULL
  AND (i.indkey::int2[])[0:cardinality(f.conkey) - 1] @> f.conkey)
LIMIT 50)sql",
       .labels = {"schemaname", "relname", "constraint"},
       .metrics = {{"pg_foreign_key_unindexed_rows",
                    "Rows of a table over 100,000 rows with a foreign key that no index supports: "
                    "each delete on the other side reads them all."}},
       .every = std::chrono::minutes(10),
       .scope = Check::Scope::EachDatabase});
  checks.push_back({.name = "sequences",
                    .sql = R"sql(
SELECT schemaname, sequencename,
  (last_value - min_value)::float8 / nullif((max_value::float8 - min_value), 0)
FROM pg_catalog.pg_sequences WHERE last_value IS NOT NULL AND increment_by > 0 AND NOT cycle
ORDER BY 3 DESC NULLS LAST LIMIT 20)sql",
                    .labels = {"schemaname", "sequencename"},
                    .metrics = {{"pg_sequence_used_ratio",
                                 "Share of a sequence's values that is used, 0 to 1."}},
                    .every = std::chrono::minutes(10),
                    .scope = Check::Scope::EachDatabase,
                    .version_min = 100'000,
                    .needs = "USAGE or SELECT on the sequences"});
  return checks;
}

}  // namespace tocsin::agent
