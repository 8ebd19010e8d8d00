#include "agent/collectors/pgbouncer/pgbouncer_settings.h"

#include "agent/collectors/blocking/server_settings.h"

namespace tocsin::agent {
namespace {

constexpr base::Duration kTimeout{3'000};

PgbouncerSettings read_one(config::Table& table, base::Duration interval) {
  PgbouncerSettings settings;
  settings.name = table.string("name", "local");
  std::string& dsn = settings.console.dsn;
  dsn = table.string("dsn", "host=127.0.0.1 port=6432 dbname=pgbouncer user=tocsin");
  if (dsn.find('=') == std::string::npos && dsn.find("://") == std::string::npos) {
    table.error("dsn", "the dsn names no host",
                "dsn = \"host=127.0.0.1 port=6432 dbname=pgbouncer user=tocsin\"");
  }
  if (dsn.find("password=") != std::string::npos) {
    table.error("dsn", "the dsn holds a password",
                "password_file = \"/etc/tocsin/pgbouncer.password\"");
  }
  if (auto password = table.secret("password")) settings.console.password = std::move(*password);
  settings.timeout = read_round_timeout(table, kTimeout, interval);
  settings.console.timeout = settings.timeout / 2;
  table.finish();
  return settings;
}

}  // namespace

std::vector<PgbouncerSettings> read_pgbouncer_settings(config::Table& root,
                                                       base::Duration interval) {
  return read_servers(root, "pgbouncer",
                      [&](config::Table& table) { return read_one(table, interval); });
}

}  // namespace tocsin::agent
