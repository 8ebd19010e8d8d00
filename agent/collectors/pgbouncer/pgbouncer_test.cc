// The answers are those of PgBouncer 1.18; the console itself is met in tests/e2e.
#include <doctest/doctest.h>

#include <future>

#include "agent/collectors/blocking/recording_round.h"
#include "agent/collectors/pgbouncer/pgbouncer_show.h"
#include "agent/collectors/pgbouncer/pgbouncer_source.h"
#include "common/base/asio_executor.h"
#include "common/base/file_system.h"
#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/toml.h"

namespace tocsin::agent {
namespace {

postgres::Rows rows(std::vector<std::string> names, std::vector<std::optional<std::string>> cells) {
  return postgres::Rows(std::move(names), std::move(cells), 0);
}

RecordingRound shown(std::string_view name, const postgres::Rows& answer) {
  RecordingRound sink;
  for (const PgbouncerShow& show : kPgbouncerShows) {
    if (show.name == name) show.add(answer, "main", sink);
  }
  CHECK_FALSE(sink.repeated);
  return sink;
}

/// What the configuration says of itself: its mistakes, or the dsn and the time-out.
std::string configured(const std::string& text) {
  const config::Source source{"agent.toml", text};
  base::Diagnostics diagnostics;
  const config::Node document = config::parse_toml(source, diagnostics);
  const auto files = base::make_real_file_system();
  config::Context context{source, diagnostics, *files};
  config::Table root(context, &document);
  const auto all = read_pgbouncer_settings(root, base::Duration{15'000});
  std::string messages;
  for (const auto& each : diagnostics) messages += each.message + "\n";
  if (!messages.empty() || all.empty()) return messages;
  return all.front().console.dsn + "|" + base::format_duration(all.front().timeout);
}

}  // namespace

TEST_CASE("pgbouncer: pools, with the wait of the first client to the microsecond") {
  const RecordingRound sink =
      shown("pools", rows({"database", "user", "cl_active", "cl_waiting", "sv_active", "sv_idle",
                           "maxwait", "maxwait_us", "pool_mode"},
                          {"shop", "web", "2", "7", "2", "0", "12", "250000", "transaction",  //
                           "shop", "jobs", "1", "0", "1", "1", "0", "0", "transaction"}));
  CHECK(sink.value("pgbouncer_pools_client_waiting_connections,database=shop,user=web") == 7);
  CHECK(sink.value("pgbouncer_pools_client_maxwait_seconds,database=shop,user=web") == 12.25);
  CHECK(sink.value("pgbouncer_pools_server_active_connections,database=shop,user=jobs") == 1);
  CHECK(sink.value("pgbouncer_pools_server_idle_connections,database=shop,user=web") == 0);
}

TEST_CASE(
    "pgbouncer: a version without a column has no such metric, and microseconds are seconds") {
  const RecordingRound sink =
      shown("stats",
            rows({"database", "total_query_count", "total_wait_time"}, {"shop", "9", "1500000"}));
  CHECK(sink.value("pgbouncer_stats_queries_pooled_total,database=shop") == 9);
  CHECK(sink.value("pgbouncer_stats_client_wait_seconds_total,database=shop") == 1.5);
  CHECK(sink.samples.size() == 2);
}

TEST_CASE("pgbouncer: databases, lists, limits and the version") {
  const RecordingRound databases = shown(
      "databases", rows({"name", "host", "port", "database", "force_user", "pool_size", "paused"},
                        {"shop", "10.0.0.1", "5432", "shop_live", std::nullopt, "20", "1"}));
  CHECK(databases.value("pgbouncer_databases_pool_size,database=shop_live,name=shop,"
                        "pool_host=10.0.0.1,port=5432") == 20);
  CHECK(databases.value("pgbouncer_databases_paused,database=shop_live,name=shop,"
                        "pool_host=10.0.0.1,port=5432") == 1);
  const RecordingRound lists =
      shown("lists", rows({"list", "items"}, {"used_clients", "81", "peers", "0"}));
  CHECK(lists.samples == std::map<std::string, double>{{"pgbouncer_used_clients", 81}});
  const RecordingRound limits =
      shown("config", rows({"key", "value", "default"}, {"max_client_conn", "100", "100",  //
                                                         "auth_type", "plain", "md5"}));
  CHECK(limits.samples ==
        std::map<std::string, double>{{"pgbouncer_config_max_client_connections", 100}});
  CHECK(shown("version", rows({"version"}, {"PgBouncer 1.18.0"}))
            .value("pgbouncer_version_info,version=1.18.0") == 1);
}

TEST_CASE("pgbouncer: the configuration says what it cannot read") {
  CHECK(configured("[[pgbouncer]]\n") ==
        "host=127.0.0.1 port=6432 dbname=pgbouncer user=tocsin|3s");
  CHECK(configured("[[pgbouncer]]\ndsn = \"pgbouncer\"\n") == "the dsn names no host\n");
  CHECK(configured("[[pgbouncer]]\ndsn = \"host=a password=b\"\n") == "the dsn holds a password\n");
  CHECK(configured("[[pgbouncer]]\ntimeout = \"20s\"\n").starts_with("timeout must be"));
}

TEST_CASE("pgbouncer: nobody at the address is down, and the log says so") {
  base::RealClock clock;
  base::AsioExecutor thread(clock, "test", 1);
  base::FailureLog failures{"test"};
  PgbouncerSettings settings;
  settings.name = "main";
  settings.console.dsn = "host=127.0.0.1 port=1 dbname=pgbouncer user=tocsin sslmode=disable";
  const auto source = make_pgbouncer_source(settings, {thread, clock}, failures);
  std::promise<RecordingRound> told;
  thread.post([&] {
    source->start(clock.wall(), [&](const Fill& fill) {
      RecordingRound sink;
      fill(sink);
      told.set_value(sink);
    });
  });
  auto round = told.get_future();
  REQUIRE(round.wait_for(std::chrono::seconds(10)) == std::future_status::ready);
  const RecordingRound sink = round.get();
  CHECK(sink.value("pgbouncer_up") == 0);
  CHECK(sink.value("tocsin_agent_check_failed,check=connection,reason=unavailable") == 1);
  thread.stop();
}

}  // namespace tocsin::agent
