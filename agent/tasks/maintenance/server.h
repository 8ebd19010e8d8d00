// The PostgreSQL server that maintenance works on: its settings, and whether now is a good moment.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/tasks/task_work.h"
#include "common/config/table.h"
#include "common/postgres/connection.h"

namespace tocsin::agent {

struct MaintenanceServer {
  postgres::Settings connection;
  std::vector<std::string> databases;  ///< Empty: the one of the dsn.
  double load_max = 0.7;               ///< Of this host, for each processor; 0: not looked at.
  base::Duration transaction_max = std::chrono::minutes(10);
  base::Duration lag_max{30'000};
};

/// Reads dsn, password, databases and the limits of the pre-flight from [task.options].
MaintenanceServer read_maintenance_server(config::Table& options);

/// What pg_stat_* said at the moment of the pre-flight.
struct Moment {
  bool standby = false;
  bool sees_others = false;              ///< The role may read what other sessions do.
  std::int64_t transaction_seconds = 0;  ///< Age of the oldest transaction.
  std::int64_t lag_seconds = 0;          ///< Of the worst replica.
  std::int64_t backups = 0;              ///< pg_dump and base backups under way.
  double load = 0;                       ///< Of a minute, for each processor.
};

/// Returns why now is no good moment; nullopt: it is one. Pure.
std::optional<TaskSkip> judge_moment(const Moment& moment, const MaintenanceServer& limits);

/// A session for maintenance: lock_timeout 2 s, statement_timeout until the run's deadline, ends
/// soon after we do, and is the only one of its kind on the server.
///
/// `skip` is set instead of a session if the moment is wrong. Errors: those of the connection;
/// PermissionDenied if the role cannot see what others do (says the grant).
struct MaintenanceSession {
  std::unique_ptr<postgres::Connection> connection;
  std::optional<TaskSkip> skip;
};
base::Result<MaintenanceSession> open_session(const MaintenanceServer& server,
                                              const std::string& database,
                                              const TaskContext& context);

/// Returns the error without what PostgreSQL adds about rows: "DETAIL: Key (email)=(...)" is
/// somebody's data and belongs into no log.
base::Error without_detail(base::Error error);

/// Reads within a transaction of its own. `sql` lives as long as the program.
base::Result<postgres::Rows> read_rows(postgres::Connection& connection, const char* sql,
                                       const postgres::Values& values = {});

}  // namespace tocsin::agent
