#include "alertd/state/sqlite.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "alertd/state/sqlite_state_store.h"
#include "common/base/hash.h"

namespace tocsin::state {

using base::ErrorCode;
using base::Result;

namespace {

/// Of 8 KiB: a few milliseconds, in which nothing else is committed.
constexpr int kCopyPages = 512;

ErrorCode code_of(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return ErrorCode::Unavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorCode::Corruption;
    case SQLITE_TOOBIG:
      return ErrorCode::LimitExceeded;
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return ErrorCode::PermissionDenied;
    default:
      return ErrorCode::Io;
  }
}

base::Error failure(sqlite3* handle) {
  const int code = sqlite3_extended_errcode(handle);
  return base::error(code_of(code),
                     fmt::format("state store: {} (SQLite code {})", sqlite3_errmsg(handle), code));
}

/// SQLite gives the write-ahead log and its index the mode of the main file.
Result<void> make_private(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    return base::error(ErrorCode::Io, fmt::format("state file {}: {}", path, std::strerror(errno)));
  }
  const int changed = ::fchmod(descriptor, 0600);
  const int reason = errno;
  ::close(descriptor);
  if (changed == 0) return base::ok();
  return base::error(ErrorCode::Io, fmt::format("state file {}: cannot be made private: {}", path,
                                                std::strerror(reason)));
}

void number_function(sqlite3_context* context, int, sqlite3_value** values) {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_value_text(values[0]));
  const auto size = static_cast<std::size_t>(sqlite3_value_bytes(values[0]));
  sqlite3_result_int64(context, Database::number_of({bytes ? bytes : "", bytes ? size : 0}));
}

base::Error damaged(const std::string& path, const std::string& what) {
  return base::error(
      ErrorCode::Corruption,
      fmt::format("state file {} is damaged: {}; keep a copy, then move it away: a new "
                  "one is made, open incidents come back as their alerts are sent again",
                  path, what));
}

}  // namespace

// SQLite locks bytes of the main file: the pending byte, the reserved one and 510 for readers.
// Source: sqlite.org/src, os.h, PENDING_BYTE.
std::optional<int> process_that_holds(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return std::nullopt;
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = 0x40000000;
  lock.l_len = 512;
  const int asked = ::fcntl(descriptor, F_GETLK, &lock);
  ::close(descriptor);
  if (asked != 0 || lock.l_type == F_UNLCK) return std::nullopt;
  return lock.l_pid;
}

Statement::~Statement() {
  if (!statement_) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Statement& Statement::text(std::string_view value) {
  // The bytes are copied: callers bind temporaries.
  sqlite3_bind_text64(statement_, ++bound_, value.data() ? value.data() : "", value.size(),
                      SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

Statement& Statement::lasting(std::string_view text) {
  sqlite3_bind_text64(statement_, ++bound_, text.data() ? text.data() : "", text.size(),
                      SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}

Statement& Statement::bytes(std::string_view value) {
  sqlite3_bind_blob64(statement_, ++bound_, value.data() ? value.data() : "", value.size(),
                      SQLITE_STATIC);
  return *this;
}

Statement& Statement::integer(std::int64_t value) {
  sqlite3_bind_int64(statement_, ++bound_, value);
  return *this;
}

Statement& Statement::optional_integer(const std::optional<std::int64_t>& value) {
  if (value) return integer(*value);
  sqlite3_bind_null(statement_, ++bound_);
  return *this;
}

Result<bool> Statement::next() {
  if (!statement_) return broken_;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return failure(database_);
}

Result<void> Statement::run() {
  TC_TRY(const bool row, next());
  static_cast<void>(row);
  return base::ok();
}

std::string Statement::text_at(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return bytes ? std::string(bytes, size) : std::string();
}

std::string Statement::bytes_at(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return bytes ? std::string(bytes, size) : std::string();
}

std::int64_t Statement::integer_at(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::optional<std::int64_t> Statement::optional_integer_at(int column) const {
  if (sqlite3_column_type(statement_, column) == SQLITE_NULL) return std::nullopt;
  return integer_at(column);
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path, int busy_timeout_ms,
                                                 LogLimits log) {
  // Each allocation would be counted under a lock for nobody. Refused once SQLite is in use, which
  // is as well.
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  TC_TRY(make_private(path));
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  std::unique_ptr<Database> database(new Database(handle, log));
  if (code != SQLITE_OK) {
    return base::error(code_of(code), fmt::format("state file {}: {}", path, sqlite3_errstr(code)));
  }
  TC_TRY(database->configure(path, busy_timeout_ms));
  return database;
}

Result<void> Database::configure(const std::string& path, int busy_timeout_ms) {
  sqlite3_busy_timeout(handle_, busy_timeout_ms);
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_create_function_v2(handle_, "tocsin_number", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC,
                             nullptr, number_function, nullptr, nullptr, nullptr);
  // One process: a second daemon on the same file would send everything twice.
  Result<void> result = execute(
      // Of a new file: most of what is written is longer than a page of 4 KiB, and each costs.
      "PRAGMA page_size = 8192;"
      "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
      "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
      // What is written is mostly appended: few pages are wanted again; so many KiB are kept.
      "PRAGMA cache_size = -4096;"
      "BEGIN IMMEDIATE; COMMIT;");
  if (!result && result.error().code == ErrorCode::Unavailable) {
    return base::error(ErrorCode::Unavailable,
                       fmt::format("state file {} is in use by another process", path));
  }
  if (!result && result.error().code == ErrorCode::Corruption) {
    return damaged(path, result.error().message);
  }
  TC_TRY(std::move(result));
  {
    Statement page_size = statement("PRAGMA page_size");
    TC_TRY(const bool told, page_size.next());
    page_bytes_ = told ? page_size.integer_at(0) : 0;
  }
  Statement check = statement("PRAGMA quick_check(1)");
  const auto row = check.next();
  if (!row) {
    return row.error().code == ErrorCode::Corruption ? damaged(path, row.error().message)
                                                     : row.error();
  }
  if (*row && check.text_at(0) != "ok") return damaged(path, check.text_at(0));
  sqlite3_wal_hook(handle_, on_commit, this);  // in place of wal_autocheckpoint
  return base::ok();
}

int Database::on_commit(void* user, sqlite3*, const char*, int log_pages) {
  auto& database = *static_cast<Database*>(user);
  database.log_bytes_ = log_pages * database.page_bytes_;
  if (database.log_bytes_ >= database.log_.always) database.empty_log();
  return SQLITE_OK;
}

// The file can wait: what was committed is in the log.
void Database::empty_log() {
  if (sqlite3_wal_checkpoint_v2(handle_, "main", SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr) ==
      SQLITE_OK) {
    log_bytes_ = 0;
  }
}

void Database::rest() {
  if (log_bytes_ >= log_.at_rest && !changed_since_rest()) empty_log();
  log_bytes_at_rest_ = log_bytes_;
}

Database::~Database() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(handle_);
}

Statement Database::statement(const char* sql) {
  sqlite3_stmt*& prepared = statements_[sql];
  if (!prepared && sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &prepared,
                                      nullptr) != SQLITE_OK) {
    return Statement(handle_, nullptr, failure(handle_));
  }
  return Statement(handle_, prepared, {});
}

Result<void> Database::execute(const char* sql) {
  if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return base::ok();
  return failure(handle_);
}

std::int64_t Database::changes() const {
  return sqlite3_changes64(handle_);
}

Result<std::unique_ptr<DatabaseCopy>> DatabaseCopy::begin(Database& database,
                                                          const std::string& path) {
  TC_TRY(make_private(path));
  std::unique_ptr<DatabaseCopy> copy(new DatabaseCopy);
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(path.c_str(), &copy->target_, flags, nullptr);
  if (code != SQLITE_OK) {
    return base::error(code_of(code), fmt::format("state file {}: {}", path, sqlite3_errstr(code)));
  }
  copy->backup_ = sqlite3_backup_init(copy->target_, "main", database.handle_, "main");
  if (copy->backup_ == nullptr) return failure(copy->target_);
  return copy;
}

DatabaseCopy::~DatabaseCopy() {
  if (backup_ != nullptr) sqlite3_backup_finish(backup_);
  sqlite3_close(target_);
}

Result<bool> DatabaseCopy::step() {
  const int code = sqlite3_backup_step(backup_, kCopyPages);
  if (code == SQLITE_OK) return false;
  if (code != SQLITE_DONE) {
    return base::error(code_of(code),
                       fmt::format("copy of the state store: {}", sqlite3_errstr(code)));
  }
  const int finished = sqlite3_backup_finish(std::exchange(backup_, nullptr));
  if (finished != SQLITE_OK) return failure(target_);
  return true;
}

std::int64_t Database::last_row() const {
  return sqlite3_last_insert_rowid(handle_);
}

std::int64_t Database::number_of(std::string_view text) {
  return static_cast<std::int64_t>(base::xxh64(text));
}

Result<void> Transaction::begin() {
  TC_TRY(database_.execute("BEGIN IMMEDIATE"));
  open_ = true;
  return base::ok();
}

Result<void> Transaction::commit() {
  TC_TRY(database_.execute("COMMIT"));
  open_ = false;
  return base::ok();
}

Transaction::~Transaction() {
  // SQLite may have rolled back by itself (disk full); then this fails, which is what is wanted.
  if (open_) static_cast<void>(database_.execute("ROLLBACK"));
}

}  // namespace tocsin::state
