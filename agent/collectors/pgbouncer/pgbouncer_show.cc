#include "agent/collectors/pgbouncer/pgbouncer_show.h"

#include <map>
#include <optional>
#include <span>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr auto kCounter = model::MetricType::Counter;
constexpr double kMicrosecond = 1e-6;

/// A column whose numbers are a metric.
struct Column {
  std::string_view column;
  MetricInfo metric;
  double unit = 1;
};

constexpr Column kPools[] = {
    {"cl_active", {"pgbouncer_pools_client_active_connections", "Linked to a server connection."}},
    {"cl_waiting",
     {"pgbouncer_pools_client_waiting_connections", "Clients that wait for a server connection."}},
    {"cl_active_cancel_req",
     {"pgbouncer_pools_client_active_cancel_connections", "Cancel requests sent on."}},
    {"cl_waiting_cancel_req",
     {"pgbouncer_pools_client_waiting_cancel_connections", "Cancel requests not sent on yet."}},
    {"sv_active", {"pgbouncer_pools_server_active_connections", "Linked to a client."}},
    {"sv_active_cancel",
     {"pgbouncer_pools_server_active_cancel_connections", "Sending a cancel request."}},
    {"sv_being_canceled",
     {"pgbouncer_pools_server_being_canceled_connections", "Waiting for cancel requests to end."}},
    {"sv_idle", {"pgbouncer_pools_server_idle_connections", "Free for a client at once."}},
    {"sv_used",
     {"pgbouncer_pools_server_used_connections", "Idle for so long that they are checked first."}},
    {"sv_tested", {"pgbouncer_pools_server_testing_connections", "Being reset or checked."}},
    {"sv_login", {"pgbouncer_pools_server_login_connections", "Logging in to PostgreSQL."}},
};

constexpr Column kStats[] = {
    {"total_query_count",
     {"pgbouncer_stats_queries_pooled_total", "Queries passed through.", kCounter}},
    {"total_query_time",
     {"pgbouncer_stats_queries_duration_seconds_total", "In queries.", kCounter},
     kMicrosecond},
    {"total_xact_count",
     {"pgbouncer_stats_sql_transactions_pooled_total", "Transactions passed through.", kCounter}},
    {"total_xact_time",
     {"pgbouncer_stats_server_in_transaction_seconds_total", "In transactions.", kCounter},
     kMicrosecond},
    {"total_wait_time",
     {"pgbouncer_stats_client_wait_seconds_total", "Clients waited for a server.", kCounter},
     kMicrosecond},
    {"total_received", {"pgbouncer_stats_received_bytes_total", "From clients.", kCounter}},
    {"total_sent", {"pgbouncer_stats_sent_bytes_total", "To clients.", kCounter}},
    {"total_server_assignment_count",
     {"pgbouncer_stats_server_assignments_total", "Server connections given out.", kCounter}},
};

constexpr Column kDatabases[] = {
    {"pool_size", {"pgbouncer_databases_pool_size", "Server connections of one pool at most."}},
    {"min_pool_size", {"pgbouncer_databases_min_pool_size", "Kept open at least."}},
    {"reserve_pool", {"pgbouncer_databases_reserve_pool", "Further ones when clients wait long."}},
    {"max_connections",
     {"pgbouncer_databases_max_connections", "Of the database, all users; 0: no limit."}},
    {"current_connections",
     {"pgbouncer_databases_current_connections", "Server connections of the database."}},
    {"paused", {"pgbouncer_databases_paused", "1 if clients are held by PAUSE."}},
    {"disabled", {"pgbouncer_databases_disabled", "1 if clients are refused by DISABLE."}},
};

/// Rows of two columns, where the first names the second.
constexpr Column kLists[] = {
    {"databases", {"pgbouncer_databases", "Databases."}},
    {"users", {"pgbouncer_users", "Users."}},
    {"pools", {"pgbouncer_pools", "Pools: pairs of a database and a user."}},
    {"free_clients", {"pgbouncer_free_clients", "Slots in memory for clients."}},
    {"used_clients", {"pgbouncer_used_clients", "Clients connected."}},
    {"login_clients", {"pgbouncer_login_clients", "Clients that are logging in."}},
    {"free_servers", {"pgbouncer_free_servers", "Slots in memory for servers."}},
    {"used_servers", {"pgbouncer_used_servers", "Server connections."}},
    {"dns_names", {"pgbouncer_cached_dns_names", "Names in the cache."}},
    {"dns_zones", {"pgbouncer_cached_dns_zones", "Zones in the cache."}},
    {"dns_queries", {"pgbouncer_in_flight_dns_queries", "Queries without an answer yet."}},
};
constexpr Column kConfig[] = {
    {"max_client_conn",
     {"pgbouncer_config_max_client_connections", "Clients at most; further ones are refused."}},
    {"max_user_connections",
     {"pgbouncer_config_max_user_connections", "Server connections of a user; 0: no limit."}},
};

constexpr MetricInfo kMaxWait{"pgbouncer_pools_client_maxwait_seconds",
                              "How long the first of the waiting clients waits."};
constexpr MetricInfo kVersion{"pgbouncer_version_info", "The version, as a label."};

/// Rows with columns found by name.
class NamedRows {
 public:
  explicit NamedRows(const postgres::Rows& rows) : rows_(rows) {
    for (std::size_t i = 0; i < rows.names().size(); ++i) columns_[rows.names()[i]] = i;
  }

  std::size_t size() const { return rows_.size(); }
  /// "" if there is no such column.
  std::string_view text(std::size_t row, std::string_view column) const {
    const auto found = columns_.find(column);
    return found == columns_.end() ? "" : std::string_view(rows_.text(row, found->second));
  }
  /// nullopt if there is no such column, or no number in it.
  std::optional<double> number(std::size_t row, std::string_view column) const {
    return base::parse_double(text(row, column));
  }

 private:
  const postgres::Rows& rows_;
  std::map<std::string_view, std::size_t, std::less<>> columns_;
};

void add_columns(const NamedRows& rows, std::size_t row, std::span<const Column> columns,
                 std::span<const model::LabelView> labels, MetricSink& sink) {
  for (const Column& each : columns) {
    if (const auto value = rows.number(row, each.column)) {
      sink.add(each.metric, labels, *value * each.unit);
    }
  }
}

void add_pools(const postgres::Rows& answer, std::string_view server, MetricSink& sink) {
  const NamedRows rows(answer);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const model::LabelView labels[] = {{"server", server},
                                       {"database", rows.text(row, "database")},
                                       {"user", rows.text(row, "user")}};
    add_columns(rows, row, kPools, labels, sink);
    // Whole seconds in one column, the rest in another.
    if (const auto seconds = rows.number(row, "maxwait")) {
      const double rest = rows.number(row, "maxwait_us").value_or(0) * kMicrosecond;
      sink.add(kMaxWait, labels, *seconds + rest);
    }
  }
}

void add_stats(const postgres::Rows& answer, std::string_view server, MetricSink& sink) {
  const NamedRows rows(answer);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const model::LabelView labels[] = {{"server", server},
                                       {"database", rows.text(row, "database")}};
    add_columns(rows, row, kStats, labels, sink);
  }
}

void add_databases(const postgres::Rows& answer, std::string_view server, MetricSink& sink) {
  const NamedRows rows(answer);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const model::LabelView labels[] = {{"server", server},
                                       {"name", rows.text(row, "name")},
                                       {"pool_host", rows.text(row, "host")},
                                       {"port", rows.text(row, "port")},
                                       {"database", rows.text(row, "database")},
                                       {"force_user", rows.text(row, "force_user")},
                                       {"pool_mode", rows.text(row, "pool_mode")}};
    add_columns(rows, row, kDatabases, labels, sink);
  }
}

void add_named(const postgres::Rows& answer, std::string_view key, std::string_view value,
               std::span<const Column> columns, std::string_view server, MetricSink& sink) {
  const NamedRows rows(answer);
  const model::LabelView labels[] = {{"server", server}};
  for (std::size_t row = 0; row < rows.size(); ++row) {
    for (const Column& each : columns) {
      const auto number = rows.number(row, value);
      if (rows.text(row, key) == each.column && number) sink.add(each.metric, labels, *number);
    }
  }
}

void add_lists(const postgres::Rows& answer, std::string_view server, MetricSink& sink) {
  add_named(answer, "list", "items", kLists, server, sink);
}

void add_config(const postgres::Rows& answer, std::string_view server, MetricSink& sink) {
  add_named(answer, "key", "value", kConfig, server, sink);
}

void add_version(const postgres::Rows& answer, std::string_view server, MetricSink& sink) {
  const NamedRows rows(answer);
  std::string_view version = rows.size() == 0 ? "" : rows.text(0, "version");
  if (version.starts_with("PgBouncer ")) version.remove_prefix(10);
  sink.add(kVersion, {{"server", server}, {"version", version}}, 1);
}

}  // namespace

const std::array<PgbouncerShow, 6> kPgbouncerShows = {{
    {"pools", "SHOW POOLS", add_pools},
    {"stats", "SHOW STATS", add_stats},
    {"databases", "SHOW DATABASES", add_databases},
    {"lists", "SHOW LISTS", add_lists},
    {"config", "SHOW CONFIG", add_config},
    {"version", "SHOW VERSION", add_version},
}};

}  // namespace tocsin::agent
