// The part of SQLite that the state store uses: a connection, prepared statements, transactions.
//
// Statements are prepared once and kept; values are bound, never put into the text. SQLite's result
// codes become error codes in one place: busy -> Unavailable, damaged -> Corruption, everything of
// the disk -> Io.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

struct sqlite3;
struct sqlite3_backup;
struct sqlite3_stmt;

namespace tocsin::state {

/// A prepared statement in use. Resets itself when it goes. Thread: the connection's.
///
///   Statement insert = database.statement("INSERT INTO t VALUES (?, ?)");
///   insert.text(key).integer(7);
///   TC_TRY(insert.run());
class Statement {
 public:
  Statement(sqlite3* database, sqlite3_stmt* statement, base::Error broken)
      : database_(database), statement_(statement), broken_(std::move(broken)) {}
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // Bind the next parameter.
  Statement& text(std::string_view value);
  // These are not copied: they must live until run() or the last next().
  Statement& lasting(std::string_view text);
  Statement& bytes(std::string_view value);
  Statement& integer(std::int64_t value);
  Statement& optional_integer(const std::optional<std::int64_t>& value);

  /// Runs to the end, without rows.
  base::Result<void> run();
  /// Steps to the next row; false at the end.
  base::Result<bool> next();

  // Columns of the current row, from 0.
  std::string text_at(int column) const;
  std::string bytes_at(int column) const;
  std::int64_t integer_at(int column) const;
  std::optional<std::int64_t> optional_integer_at(int column) const;

 private:
  sqlite3* database_;
  sqlite3_stmt* statement_;  ///< nullptr: could not be prepared; broken_ says why.
  base::Error broken_;
  int bound_ = 0;
};

/// When what stands in the write-ahead log is copied into the file. The default of SQLite, 1000
/// pages at each commit that finds them, copies most pages again and again.
struct LogLimits {
  /// From so many bytes on, when nothing was written for a while.
  std::int64_t at_rest = std::int64_t{16} << 20U;
  /// From so many on, whoever waits: it takes as long as writing them. A storm of 50,000 incidents
  /// writes 150 MiB; the start after a crash, which reads them, takes as long as with half of it.
  std::int64_t always = std::int64_t{256} << 20U;
};

/// A connection. Thread: one at a time.
class Database {
 public:
  /// Opens or creates the file, readable by its owner only, for this process alone.
  ///
  /// Write-ahead log, synchronous=FULL: a commit survives power loss. Waits `busy_timeout_ms` for
  /// locks. Errors: Io, Unavailable (another process holds it), Corruption (no database, or
  /// damaged; says what to do).
  static base::Result<std::unique_ptr<Database>> open(const std::string& path, int busy_timeout_ms,
                                                      LogLimits log = {});
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Returns the statement for a text that lives as long as the program. One use at a time.
  Statement statement(const char* sql);
  /// Runs statements without values; for the schema and transactions.
  base::Result<void> execute(const char* sql);
  /// To be called now and then: empties the log if nothing was written since the last call. What
  /// fails is done by a later one.
  void rest();
  /// Whether anything was written since the last rest().
  bool changed_since_rest() const { return log_bytes_ != log_bytes_at_rest_; }
  /// Rows changed by the last statement.
  std::int64_t changes() const;
  /// The row id of the last insertion.
  std::int64_t last_row() const;
  /// The number that stands for a long text in an index: its XXH64. Two texts may share one. In
  /// SQL: tocsin_number(text), which migrations use and no index or trigger, so that other programs
  /// can read the file.
  static std::int64_t number_of(std::string_view text);

 private:
  friend class DatabaseCopy;
  Database(sqlite3* handle, LogLimits log) : handle_(handle), log_(log) {}
  base::Result<void> configure(const std::string& path, int busy_timeout_ms);
  static int on_commit(void* user, sqlite3* handle, const char* name, int log_pages);
  void empty_log();

  sqlite3* handle_;
  const LogLimits log_;
  std::int64_t page_bytes_ = 0;
  std::int64_t log_bytes_ = 0;          ///< After the last commit.
  std::int64_t log_bytes_at_rest_ = 0;  ///< At the last rest().
  std::map<const char*, sqlite3_stmt*> statements_;
};

/// The whole database as it is at one moment, copied into a new file in steps; between them the
/// connection goes on, and what it changes meanwhile is in the copy. Thread: the connection's.
class DatabaseCopy {
 public:
  /// Errors: Io (the file is there, or cannot be made).
  static base::Result<std::unique_ptr<DatabaseCopy>> begin(Database& database,
                                                           const std::string& path);
  ~DatabaseCopy();
  DatabaseCopy(const DatabaseCopy&) = delete;
  DatabaseCopy& operator=(const DatabaseCopy&) = delete;

  /// Copies some MiB. Returns whether the copy is complete; then it is on the disk.
  base::Result<bool> step();

 private:
  DatabaseCopy() = default;

  sqlite3* target_ = nullptr;
  sqlite3_backup* backup_ = nullptr;
};

/// Rolls back unless commit() was reached.
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(database) {}
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  base::Result<void> begin();
  base::Result<void> commit();

 private:
  Database& database_;
  bool open_ = false;
};

}  // namespace tocsin::state
