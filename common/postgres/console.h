// A connection to what speaks PostgreSQL's protocol and is no PostgreSQL: PgBouncer's console.
//
// It knows the simple query protocol and its own commands; it refuses prepared statements, SET and
// transactions, and says a version that libpqxx does not take. So this is libpq itself, without
// blocking in it: the connection and each command have a deadline. console.cc is the only file that
// includes libpq.
#pragma once

#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/postgres/connection.h"

namespace tocsin::postgres {

struct ConsoleSettings {
  /// libpq's parameters or a postgresql:// URI, without the password.
  std::string dsn;
  base::Secret password;
  std::string application_name = "tocsin-agent";
  base::Duration timeout{2'000};  ///< Of connecting, and of each command.
  std::size_t rows_max = 2'000;   ///< Of one answer.
};

/// Thread: one at a time.
class Console {
 public:
  /// Errors: Unavailable, Timeout, PermissionDenied (user, password, or not allowed in),
  /// InvalidArgument (the dsn). Names are resolved without a deadline.
  static base::Result<std::unique_ptr<Console>> connect(const ConsoleSettings& settings,
                                                        const base::Clock& clock);
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  /// Runs one command that answers with rows.
  /// Errors: PermissionDenied, LimitExceeded (rows_max), InvalidArgument (the server's other
  /// errors: not a command of this version), Unavailable, Timeout: the connection is gone then.
  base::Result<Rows> run(const char* command);

  bool broken() const { return broken_; }

 private:
  struct Impl;

  explicit Console(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
  bool broken_ = false;
};

}  // namespace tocsin::postgres
