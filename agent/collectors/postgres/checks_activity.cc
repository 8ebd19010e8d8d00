// What PostgreSQL does now: sessions, transactions, locks.
#include "agent/collectors/postgres/check.h"

namespace tocsin::agent {

std::vector<Check> activity_checks() {
  std::vector<Check> checks;
  // A row for each state, so that nothing vanishes when nobody is in it.
  checks.push_back(
      {.name = "stat_activity",
       .sql = R"sql(
SELECT d.datname, s.state, count(a.pid),
  coalesce(max(extract(epoch FROM clock_timestamp() - a.xact_start)), 0)
FROM pg_catalog.pg_database d
CROSS JOIN (VALUES ('active'), ('idle'), ('idle in transaction'),
  ('idle in transaction (aborted)'), ('fastpath function call'), ('disabled')) AS s (state)
LEFT JOIN pg_catalog.pg_stat_activity a ON a.datname = d.datname AND a.state = s.state
WHERE d.datallowconn AND NOT d.datistemplate GROUP BY d.datname, s.state)sql",
       .labels = {"datname", "state"},
       .metrics = {{"pg_stat_activity_count", "Sessions in this state."},
                   {"pg_stat_activity_max_tx_duration",
                    "Age of the oldest transaction of sessions in this state, in seconds."}},
       .needs = "GRANT pg_monitor"});
  checks.push_back({.name = "locks",
                    .sql = R"sql(
SELECT d.datname, m.mode, count(l.mode)
FROM pg_catalog.pg_database d
CROSS JOIN (VALUES ('accesssharelock'), ('rowsharelock'), ('rowexclusivelock'),
  ('shareupdateexclusivelock'), ('sharelock'), ('sharerowexclusivelock'), ('exclusivelock'),
  ('accessexclusivelock'), ('sireadlock')) AS m (mode)
LEFT JOIN pg_catalog.pg_locks l ON l.database = d.oid AND lower(l.mode) = m.mode
WHERE d.datallowconn AND NOT d.datistemplate GROUP BY d.datname, m.mode)sql",
                    .labels = {"datname", "mode"},
                    .metrics = {{"pg_locks_count", "Locks held or waited for, by mode."}}});
  checks.push_back(
      {.name = "blocked",
       .sql = R"sql(
SELECT count(*), coalesce(max(extract(epoch FROM clock_timestamp() - query_start)), 0)
FROM pg_catalog.pg_stat_activity
WHERE wait_event_type = 'Lock' AND cardinality(pg_catalog.pg_blocking_pids(pid)) > 0)sql",
       .metrics = {{"pg_locks_blocked", "Sessions that wait for a lock another one holds."},
                   {"pg_locks_blocked_max_seconds",
                    "How long the statement that waits longest for a lock has run."}},
       .needs = "GRANT pg_monitor"});
  // Who keeps VACUUM from removing rows that nobody else needs.
  checks.push_back(
      {.name = "xmin_horizon",
       .sql = R"sql(
SELECT 'backend', coalesce(max(age(backend_xmin)), 0) FROM pg_catalog.pg_stat_activity
UNION ALL SELECT 'replication_slot', coalesce(max(greatest(age(xmin), age(catalog_xmin))), 0)
  FROM pg_catalog.pg_replication_slots
UNION ALL SELECT 'prepared_transaction', coalesce(max(age(transaction)), 0)
  FROM pg_catalog.pg_prepared_xacts
UNION ALL SELECT 'standby', coalesce(max(age(backend_xmin)), 0)
  FROM pg_catalog.pg_stat_replication)sql",
       .labels = {"holder"},
       .metrics = {{"pg_xmin_horizon_age",
                    "Transactions since the oldest one that this kind of holder keeps visible."}},
       .needs = "GRANT pg_monitor"});
  checks.push_back(
      {.name = "prepared_xacts",
       .sql = R"sql(
SELECT count(*), coalesce(max(extract(epoch FROM clock_timestamp() - prepared)), 0)
FROM pg_catalog.pg_prepared_xacts)sql",
       .metrics = {{"pg_prepared_xacts", "Transactions prepared for two-phase commit."},
                   {"pg_prepared_xacts_oldest_seconds", "Age of the oldest of them."}}});
  checks.push_back({.name = "autovacuum_workers",
                    .sql = R"sql(
SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = 'autovacuum worker')sql",
                    .metrics = {{"pg_autovacuum_workers", "Autovacuum workers that run now."}},
                    .version_min = 100'000});
  // Only the statements that took most of the time: each is a series.
  checks.push_back(
      {.name = "stat_statements",
       .sql = R"sql(
SELECT d.datname, s.queryid::text, sum(s.calls), sum(s.total_exec_time) / 1000, sum(s.rows)
FROM pg_stat_statements s JOIN pg_catalog.pg_database d ON d.oid = s.dbid
WHERE s.queryid IS NOT NULL GROUP BY d.datname, s.queryid
ORDER BY sum(s.total_exec_time) DESC LIMIT 50)sql",
       .labels = {"datname", "queryid"},
       .metrics = {{"pg_stat_statements_calls_total", "Executions.", model::MetricType::Counter},
                   {"pg_stat_statements_seconds_total", "Time spent in it.",
                    model::MetricType::Counter},
                   {"pg_stat_statements_rows_total", "Rows it returned or changed.",
                    model::MetricType::Counter}},
       .every = std::chrono::minutes(1),
       .version_min = 130'000,
       .needs = "GRANT pg_monitor, CREATE EXTENSION pg_stat_statements in this database",
       .optional_extension = "pg_stat_statements"});
  checks.push_back(
      {.name = "stat_statements_available",
       .sql = R"sql(
SELECT count(*) FROM pg_catalog.pg_extension WHERE extname = 'pg_stat_statements')sql",
       .metrics = {{"pg_stat_statements_available",
                    "1 if pg_stat_statements is there to say which statements are slow."}},
       .every = std::chrono::minutes(10)});
  return checks;
}

}  // namespace tocsin::agent
