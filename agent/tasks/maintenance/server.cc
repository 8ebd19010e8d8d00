#include "agent/tasks/maintenance/server.h"

#include <fmt/format.h>

#include "common/base/process.h"
#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kProcBytesMax = 4096;
constexpr base::Duration kLockTimeout{2'000};
constexpr int kChecksClient = 140000;  ///< The first version that notices a client that is gone.

constexpr const char* kMoment = R"(
SELECT pg_is_in_recovery()::int,
       (pg_has_role('pg_read_all_stats', 'member')
        OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user))::int,
       coalesce((SELECT extract(epoch FROM max(clock_timestamp() - xact_start))
                 FROM pg_stat_activity
                 WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'), 0)::bigint,
       coalesce((SELECT extract(epoch FROM max(replay_lag)) FROM pg_stat_replication), 0)::bigint,
       (SELECT count(*) FROM pg_stat_activity WHERE application_name IN ('pg_dump', 'pg_dumpall'))
       + (SELECT count(*) FROM pg_stat_replication WHERE state = 'backup'))";

// A number of our own, so that two hosts do not maintain one server at the same time.
constexpr const char* kOnlyOne = "SELECT pg_try_advisory_lock(5060521917142024)::int";

/// A standby answers too, so that we can say that it is one.
std::string with_any_server(const std::string& dsn) {
  if (dsn.find("target_session_attrs") != std::string::npos) return dsn;
  const bool uri = dsn.starts_with("postgresql://") || dsn.starts_with("postgres://");
  if (!uri) return dsn + " target_session_attrs=any";
  return dsn + (dsn.find('?') == std::string::npos ? '?' : '&') + "target_session_attrs=any";
}

double load_of_host(const base::FileSystem& files) {
  const auto text = files.read("/proc/loadavg", kProcBytesMax);
  if (!text) return 0;
  const auto fields = base::split_fields(*text);
  const auto load = fields.empty() ? std::nullopt : base::parse_double(fields[0]);
  return load.value_or(0) / base::processor_count();
}

Result<Moment> read_moment(postgres::Connection& connection, const base::FileSystem& files) {
  TC_TRY(const postgres::Rows rows, read_rows(connection, kMoment));
  Moment moment;
  moment.standby = rows.integer(0, 0) != 0;
  moment.sees_others = rows.integer(0, 1) != 0;
  moment.transaction_seconds = rows.integer(0, 2);
  moment.lag_seconds = rows.integer(0, 3);
  moment.backups = rows.integer(0, 4);
  moment.load = load_of_host(files);
  return moment;
}

std::int64_t seconds(base::Duration duration) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

}  // namespace

MaintenanceServer read_maintenance_server(config::Table& options) {
  MaintenanceServer server;
  server.connection.dsn = options.string("dsn", "");
  if (server.connection.dsn.empty()) {
    options.error("dsn", "maintenance needs a dsn of its own: the role that watches cannot do this",
                  "dsn = \"host=/run/postgresql dbname=shop user=tocsin_maintenance\"");
  }
  if (server.connection.dsn.find("password=") != std::string::npos) {
    options.error("dsn", "the password does not belong into the dsn",
                  "password_file = \"/etc/tocsin/maintenance.password\"");
  }
  if (auto password = options.secret("password")) {
    server.connection.password = std::move(*password);
  }
  server.connection.application_name = "tocsin-maintenance";
  server.connection.lock_timeout = kLockTimeout;
  server.databases = options.strings("databases");
  server.load_max = options.number("load_max", server.load_max);
  server.transaction_max = options.duration("transaction_max", server.transaction_max);
  server.lag_max = options.duration("lag_max", server.lag_max);
  if (server.load_max < 0) options.error("load_max", "load_max is negative");
  return server;
}

std::optional<TaskSkip> judge_moment(const Moment& moment, const MaintenanceServer& limits) {
  if (moment.standby) return TaskSkip{"standby", "the server is a standby"};
  if (moment.backups > 0) {
    return TaskSkip{"backup_running", fmt::format("{} backups are under way", moment.backups)};
  }
  if (moment.transaction_seconds > seconds(limits.transaction_max)) {
    return TaskSkip{"long_transaction",
                    fmt::format("a transaction is {} s old, limit {} s", moment.transaction_seconds,
                                seconds(limits.transaction_max))};
  }
  if (moment.lag_seconds > seconds(limits.lag_max)) {
    return TaskSkip{"replica_lag", fmt::format("a replica is {} s behind, limit {} s",
                                               moment.lag_seconds, seconds(limits.lag_max))};
  }
  if (limits.load_max > 0 && moment.load > limits.load_max) {
    return TaskSkip{"load", fmt::format("the load is {:.2f} for each processor, limit {:.2f}",
                                        moment.load, limits.load_max)};
  }
  return std::nullopt;
}

base::Error without_detail(base::Error error) {
  for (const char* part : {" DETAIL:", " HINT:", " CONTEXT:"}) {
    const std::size_t at = error.message.find(part);
    if (at != std::string::npos) error.message.resize(at);
  }
  return error;
}

Result<postgres::Rows> read_rows(postgres::Connection& connection, const char* sql,
                                 const postgres::Values& values) {
  postgres::Transaction transaction(connection);
  TC_TRY(transaction.begin());
  TC_TRY(postgres::Rows rows, transaction.run(sql, values));
  TC_TRY(transaction.commit());
  return rows;
}

Result<MaintenanceSession> open_session(const MaintenanceServer& server,
                                        const std::string& database, const TaskContext& context) {
  postgres::Settings settings = server.connection;
  settings.dsn = with_any_server(settings.dsn);
  settings.database = database;
  settings.statement_timeout = std::max(context.left(), base::Duration{1});
  MaintenanceSession session;
  TC_TRY(session.connection, postgres::Connection::connect(settings));
  postgres::Connection& connection = *session.connection;
  TC_TRY(const Moment moment, read_moment(connection, context.files));
  if (!moment.sees_others) {
    return base::error(ErrorCode::PermissionDenied,
                       "the role cannot see what others do, so nothing is begun: GRANT pg_monitor "
                       "TO it");
  }
  session.skip = judge_moment(moment, server);
  if (session.skip) return session;
  TC_TRY(const postgres::Rows only, read_rows(connection, kOnlyOne));
  if (only.integer(0, 0) == 0) {
    session.skip = TaskSkip{"busy", "maintenance of another host is under way on this server"};
    return session;
  }
  if (connection.server_version() >= kChecksClient) {
    TC_TRY(read_rows(connection,
                     "SELECT set_config('client_connection_check_interval', '1000', false)"));
  }
  TC_TRY(read_rows(connection, "SELECT set_config('vacuum_cost_delay', '2', false)"));
  return session;
}

}  // namespace tocsin::agent
