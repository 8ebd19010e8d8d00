// What `[[postgres]]` in the agent's configuration says.
#pragma once

#include "agent/collectors/postgres/check.h"

namespace tocsin::config {
class Table;
}

namespace tocsin::agent {

/// One server.
struct PostgresSettings {
  std::string name;                    ///< The label `server`.
  postgres::Settings session;          ///< Of the database that the server's own checks ask.
  std::vector<std::string> databases;  ///< Whose tables are looked at; empty: all.
  std::vector<std::string> databases_exclude;
  std::size_t databases_max = 20;
  base::Duration timeout{5'000};  ///< Of a round, all statements together.
  std::vector<Check> queries;     ///< Of the configuration.

  std::string key() const { return "postgres " + name; }
};

/// Reads every `[[postgres]]` table of the root. `interval` is the round's: a time-out must be
/// shorter. Mistakes go to the diagnostics; a query whose labels are on the deny-list is one.
std::vector<PostgresSettings> read_postgres_settings(config::Table& root, base::Duration interval);

}  // namespace tocsin::agent
