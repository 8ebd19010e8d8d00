// The part of PostgreSQL that Tocsin uses, as its state store and as what it watches: a connection,
// prepared statements, transactions.
//
// Statements are prepared once a connection and kept; values are sent beside the text, never put
// into it. Many rows go in one statement: one array a column (Array), unnest() in the statement,
// so that a step of 10,000 alerts is a handful of round trips. Bytes travel as \x hexadecimal.
//
// The server's answers become error codes in one place: a connection that is gone, a server that
// starts or stops, deadlocks -> Unavailable; time-outs of locks and statements -> Timeout; no such
// table or function -> NotFound; no room -> Io. libpqxx throws; nothing of that leaves
// connection.cc, the only file that includes it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/base/secret.h"
#include "common/base/time.h"

namespace tocsin::postgres {

/// Returns `text` as PostgreSQL can keep it: U+FFFD for NUL and for what is not UTF-8.
std::string storable(std::string_view text);

/// One array value: the values of one column, over many rows.
class Array {
 public:
  void text(std::string_view value);   ///< As storable().
  void bytes(std::string_view value);  ///< Anything; the column is BYTEA.
  void integer(std::int64_t value);
  void optional_integer(const std::optional<std::int64_t>& value);
  std::string finish() const { return literal_ + '}'; }
  std::size_t size() const { return literal_.size(); }  ///< In bytes.

 private:
  void separate();

  std::string literal_ = "{";
};

/// The values of a statement, $1 first.
class Values {
 public:
  Values& text(std::string_view value);
  Values& bytes(std::string_view value);
  Values& integer(std::int64_t value);
  Values& optional_integer(const std::optional<std::int64_t>& value);
  Values& null();
  Values& array(const Array& array);

  const std::vector<std::optional<std::string>>& values() const { return values_; }

 private:
  std::vector<std::optional<std::string>> values_;
};

/// What a statement answered.
class Rows {
 public:
  Rows(std::vector<std::string> names, std::vector<std::optional<std::string>> cells,
       std::int64_t affected)
      : columns_(names.size()),
        names_(std::move(names)),
        cells_(std::move(cells)),
        affected_(affected) {}

  std::size_t size() const { return columns_ == 0 ? 0 : cells_.size() / columns_; }
  const std::vector<std::string>& names() const { return names_; }  ///< Of the columns.
  bool is_null(std::size_t row, std::size_t column) const { return !cell(row, column); }
  std::int64_t affected() const { return affected_; }  ///< Rows written.

  const std::string& text(std::size_t row, std::size_t column) const;
  std::string bytes(std::size_t row, std::size_t column) const;
  std::int64_t integer(std::size_t row, std::size_t column) const;
  std::optional<std::int64_t> optional_integer(std::size_t row, std::size_t column) const;

 private:
  const std::optional<std::string>& cell(std::size_t row, std::size_t column) const;

  std::size_t columns_;
  std::vector<std::string> names_;
  std::vector<std::optional<std::string>> cells_;
  std::int64_t affected_;
};

struct Settings {
  /// "host=db1 dbname=tocsin user=tocsin sslmode=verify-full" or a postgresql:// URI; libpq's
  /// parameters, without the password.
  std::string dsn;
  base::Secret password;
  std::string database;  ///< Instead of the dsn's, unless empty.
  std::string application_name = "tocsin-alertd";
  bool read_only = false;  ///< The session can change nothing, and a standby will do.
  base::Duration connect_timeout{3'000};
  base::Duration statement_timeout{5'000};
  base::Duration lock_timeout{2'000};
};

/// A connection. Thread: one at a time.
class Connection {
 public:
  /// Connects and sets the session up: time-outs, and commits that wait for the disk (or, of a
  /// read-only session, nothing that writes).
  ///
  /// A session that is stopped in the middle of a transaction is ended by the server after
  /// statement_timeout, so that its locks do not outlive it.
  /// Errors: Unavailable, PermissionDenied (user or password), InvalidArgument (the dsn).
  static base::Result<std::unique_ptr<Connection>> connect(const Settings& settings);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Gone: every call fails with Unavailable; connect again.
  bool broken() const { return broken_; }
  /// Returns 150004 for 15.4.
  int server_version() const;

  /// Runs one statement as a transaction of its own, in one round trip where begin, run and commit
  /// are three. `sql` as for Transaction::run(). Not while there is a Transaction.
  base::Result<Rows> run(const char* sql, const Values& values = {});

  /// Runs a statement that no transaction may hold: VACUUM, REINDEX CONCURRENTLY. `sql` is what the
  /// server itself made with format(), because such statements take no values. Not while there is a
  /// Transaction.
  base::Result<void> run_alone(const std::string& sql);

 private:
  friend class Transaction;
  struct Impl;

  explicit Connection(std::unique_ptr<Impl> impl);
  base::Result<void> set_up(const Settings& settings);
  template <class T>
  base::Result<T> settled(base::Result<T> result);
  template <class Work>
  base::Result<Rows> run_in(Work& work, const char* sql, const Values& values);

  std::unique_ptr<Impl> impl_;
  bool broken_ = false;
};

/// Rolled back unless commit() was reached. One at a time on a connection.
class Transaction {
 public:
  explicit Transaction(Connection& connection);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  base::Result<void> begin();
  /// `sql` lives as long as the program; it is prepared at its first use on the connection.
  base::Result<Rows> run(const char* sql, const Values& values = {});
  /// Statements without values; for the schema.
  base::Result<void> script(const char* sql);
  /// Errors also: Unavailable with an unknown outcome: do the same again.
  base::Result<void> commit();

 private:
  struct Impl;

  Connection& connection_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin::postgres
