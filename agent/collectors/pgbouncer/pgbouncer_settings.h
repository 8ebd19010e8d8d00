// What `[[pgbouncer]]` in the agent's configuration says.
#pragma once

#include <string>
#include <vector>

#include "common/postgres/console.h"

namespace tocsin::config {
class Table;
}

namespace tocsin::agent {

/// One PgBouncer.
struct PgbouncerSettings {
  std::string name;  ///< The label `server`.
  postgres::ConsoleSettings console;
  base::Duration timeout{3'000};  ///< Of a round.

  std::string key() const { return "pgbouncer " + name; }
};

/// Reads every `[[pgbouncer]]` table of the root. `interval` is the round's: a time-out must be
/// shorter. Mistakes go to the diagnostics.
std::vector<PgbouncerSettings> read_pgbouncer_settings(config::Table& root,
                                                       base::Duration interval);

}  // namespace tocsin::agent
