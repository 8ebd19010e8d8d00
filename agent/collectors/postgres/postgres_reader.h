// One round of a PostgreSQL server: which checks are due, what they answered, why they did not.
//
// Blocking; lives on a thread of its own (postgres_source.h). One connection stays, to the database
// of the dsn; others are made for the checks that look into each database, when these are due, and
// closed again: a server with many databases does not lose a session for each.
#pragma once

#include <map>
#include <memory>

#include "agent/collectors/postgres/postgres_settings.h"
#include "common/base/clock.h"

namespace tocsin::agent {

/// What a check answered last.
struct CheckAnswer {
  std::vector<Reading> readings;
  std::optional<base::Error> failed;
  double seconds = 0;
};

/// A round. Values only; it may outlive the reader's connections, not its checks.
struct PostgresRound {
  std::optional<base::Error> down;  ///< No connection: nothing below.
  std::string version;              ///< "15.4"
  std::map<std::string, std::shared_ptr<const CheckAnswer>> answers;  ///< By check and database.
  std::shared_ptr<const std::vector<Check>> checks;                   ///< What readings point to.
};

/// Thread: one at a time.
class PostgresReader {
 public:
  PostgresReader(PostgresSettings settings, const base::Clock& clock);

  /// Asks what is due; what is not keeps its last answer. Takes the settings' timeout at most, and
  /// the time of one statement.
  PostgresRound read();

 private:
  struct Due {
    const Check* check;
    std::string database;
    std::string key;
  };

  base::Result<void> connect();
  base::Result<std::vector<std::string>> databases();
  std::vector<Due> due(const std::vector<std::string>& databases, base::MonotonicTime now) const;
  void ask(postgres::Connection& connection, const Due& due);
  void ask_database(const std::string& database, const std::vector<Due>& due);
  void out_of_time(const Due& due);
  void keep(const Due& due, CheckAnswer answer);

  PostgresSettings settings_;
  const base::Clock& clock_;
  std::shared_ptr<const std::vector<Check>> checks_;
  std::unique_ptr<postgres::Connection> connection_;
  base::MonotonicTime deadline_{};
  std::map<std::string, std::shared_ptr<const CheckAnswer>> answers_;
  std::map<std::string, base::MonotonicTime> asked_at_;
  std::vector<std::string> databases_;
  std::optional<base::MonotonicTime> databases_at_;
};

}  // namespace tocsin::agent
