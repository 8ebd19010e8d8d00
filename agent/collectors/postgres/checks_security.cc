// Settings, room for connections, encryption, roles.
#include "agent/collectors/postgres/check.h"

namespace tocsin::agent {

std::vector<Check> security_checks() {
  std::vector<Check> checks;
  checks.push_back({.name = "settings",
                    .sql = R"sql(
SELECT current_setting('max_connections')::int,
  current_setting('superuser_reserved_connections')::int,
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true)::int, 0),
  current_setting('autovacuum')::bool, current_setting('fsync')::bool,
  current_setting('full_page_writes')::bool, current_setting('archive_mode') <> 'off',
  current_setting('autovacuum_max_workers')::int,
  current_setting('autovacuum_freeze_max_age')::int, current_setting('ssl')::bool,
  current_setting('data_checksums')::bool, current_setting('log_statement') = 'all',
  (SELECT count(*) FROM pg_catalog.pg_settings WHERE pending_restart),
  extract(epoch FROM pg_catalog.pg_postmaster_start_time()))sql",
                    .metrics = {{"pg_settings_max_connections", "Sessions allowed."},
                                {"pg_settings_superuser_reserved_connections", "Of superusers."},
                                {"pg_connections_usable", "Sessions that applications may have."},
                                {"pg_settings_autovacuum", "1 if autovacuum is on."},
                                {"pg_settings_fsync", "1 if commits reach the disk."},
                                {"pg_settings_full_page_writes", "1 if torn pages are repaired."},
                                {"pg_settings_archive_mode", "1 if WAL is archived."},
                                {"pg_settings_autovacuum_max_workers", "Workers at once."},
                                {"pg_settings_autovacuum_freeze_max_age", "In transactions."},
                                {"pg_settings_ssl", "1 if connections may be encrypted."},
                                {"pg_settings_data_checksums", "1 if pages have checksums."},
                                {"pg_settings_log_statement_all",
                                 "1 if every statement is logged, personal data with it."},
                                {"pg_settings_pending_restart",
                                 "Settings that were changed and wait for a restart."},
                                {"pg_postmaster_start_time_seconds",
                                 "When the server was started, as Unix time."}},
                    .every = std::chrono::minutes(1)});
  checks.push_back(
      {.name = "ssl",
       .sql = R"sql(
SELECT count(*) FILTER (WHERE NOT s.ssl), count(*) FILTER (WHERE s.ssl)
FROM pg_catalog.pg_stat_ssl s JOIN pg_catalog.pg_stat_activity a USING (pid)
WHERE a.client_addr IS NOT NULL AND NOT (a.client_addr <<= '127.0.0.0/8' OR a.client_addr = '::1')
)sql",
       .metrics = {{"pg_connections_clear_remote", "Sessions from other hosts without TLS."},
                   {"pg_connections_encrypted_remote", "Sessions from other hosts with TLS."}},
       .every = std::chrono::minutes(1),
       .needs = "GRANT pg_monitor"});
  checks.push_back(
      {.name = "roles",
       .sql = R"sql(
SELECT count(*) FILTER (WHERE rolsuper AND rolcanlogin),
  count(*) FILTER (WHERE rolbypassrls AND rolcanlogin AND NOT rolsuper),
  count(*) FILTER (WHERE rolreplication AND rolcanlogin AND NOT rolsuper),
  count(*) FILTER (WHERE rolcanlogin AND rolvaliduntil IS NULL),
  (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
FROM pg_catalog.pg_roles)sql",
       .metrics = {{"sec_pg_superusers", "Superusers that may log in."},
                   {"sec_pg_bypassrls_roles", "Others that row level security does not bind."},
                   {"sec_pg_replication_roles", "Others that may copy everything."},
                   {"sec_pg_roles_no_expiry",
                    "Roles that may log in and whose password never ends."},
                   {"sec_pg_agent_is_superuser",
                    "1 if the agent itself has more rights than it needs."}},
       .every = std::chrono::minutes(1)});
  // Roles that back up, copy or watch, and superusers: where they come from hardly ever changes.
  checks.push_back(
      {.name = "service_sessions",
       .sql = R"sql(
SELECT a.usename, coalesce(host(a.client_addr), 'local'), count(*)
FROM pg_catalog.pg_stat_activity a JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid
WHERE r.rolsuper OR r.rolreplication
  OR EXISTS (SELECT FROM pg_catalog.pg_roles m
             WHERE m.rolname IN ('pg_monitor', 'pg_read_all_data', 'pg_write_all_data')
               AND pg_catalog.pg_has_role(r.oid, m.oid, 'MEMBER'))
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 200)sql",
       .labels = {"usename", "client"},
       .metrics = {{"sec_pg_service_sessions",
                    "Sessions of roles that back up, copy or watch, and of superusers, by where "
                    "they come from."}},
       .needs = "GRANT pg_monitor"});
  // ALTER DATABASE shop SET tocsin.environment = 'production'. By the catalogue: a session that is
  // kept has its own value since it began.
  checks.push_back({.name = "environment",
                    .sql = R"sql(
SELECT b.datname, substr(s, length('tocsin.environment=') + 1), 1
FROM pg_catalog.pg_db_role_setting d JOIN pg_catalog.pg_database b ON b.oid = d.setdatabase
CROSS JOIN unnest(d.setconfig) AS s
WHERE d.setrole = 0 AND s LIKE 'tocsin.environment=_%')sql",
                    .labels = {"datname", "database_environment"},
                    .metrics = {{"pg_database_environment_info",
                                 "What the database says of itself that it is: production, "
                                 "staging."}},
                    .every = std::chrono::minutes(1)});
  checks.push_back({.name = "hba",
                    .sql = R"sql(
SELECT count(*) FILTER (WHERE auth_method = 'trust' AND type <> 'local'),
  count(*) FILTER (WHERE auth_method IN ('trust', 'password', 'md5', 'ident')),
  count(*) FILTER (WHERE error IS NOT NULL)
FROM pg_catalog.pg_hba_file_rules)sql",
                    .metrics = {{"sec_pg_hba_open_rules",
                                 "Rules of pg_hba.conf that let in over the network without a "
                                 "password."},
                                {"sec_pg_hba_weak_rules",
                                 "Rules with a method that is no proof or can be read."},
                                {"pg_hba_errors", "Lines of pg_hba.conf that cannot be read."}},
                    .every = std::chrono::minutes(5),
                    .version_min = 100'000,
                    .needs = "GRANT SELECT ON pg_hba_file_rules and EXECUTE ON FUNCTION "
                             "pg_hba_file_rules() to the agent's role"});
  return checks;
}

}  // namespace tocsin::agent
