#include "common/postgres/connection.h"

#include <fmt/format.h>

#include <charconv>
#include <map>
#include <pqxx/pqxx>

#include "common/base/check.h"
#include "common/base/strings.h"

namespace tocsin::postgres {

using base::ErrorCode;
using base::Result;

namespace {

/// Appends a parameter to a connection string of either form; libpq takes the last of two.
void add_parameter(std::string& dsn, std::string_view name, std::string_view value) {
  const bool uri = dsn.starts_with("postgresql://") || dsn.starts_with("postgres://");
  if (!uri) {
    dsn += fmt::format(" {}='", name);
    for (const char c : value) {
      if (c == '\'' || c == '\\') dsn += '\\';
      dsn += c;
    }
    dsn += '\'';
    return;
  }
  dsn += fmt::format("{}{}=", dsn.find('?') == std::string::npos ? '?' : '&', name);
  for (const char c : value) dsn += fmt::format("%{:02X}", static_cast<unsigned char>(c));
}

std::string connection_string(const Settings& settings) {
  std::string dsn = settings.dsn;
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(settings.connect_timeout).count();
  add_parameter(dsn, "connect_timeout", std::to_string(std::max<std::int64_t>(seconds, 2)));
  add_parameter(dsn, "application_name", settings.application_name);
  add_parameter(dsn, "client_encoding", "UTF8");
  // A dead network is noticed within seconds; the lease does not wait for minutes of TCP.
  add_parameter(dsn, "keepalives_idle", "5");
  add_parameter(dsn, "keepalives_interval", "2");
  add_parameter(dsn, "keepalives_count", "3");
  add_parameter(dsn, "tcp_user_timeout", "8000");
  if (!settings.read_only && dsn.find("target_session_attrs") == std::string::npos) {
    add_parameter(dsn, "target_session_attrs", "read-write");
  }
  if (!settings.database.empty()) add_parameter(dsn, "dbname", settings.database);
  if (!settings.password.empty()) add_parameter(dsn, "password", settings.password.reveal());
  return dsn;
}

ErrorCode code_of_state(std::string_view state) {
  if (state == "57014" || state == "55P03") return ErrorCode::Timeout;
  if (state == "42501" || state.starts_with("28")) return ErrorCode::PermissionDenied;
  if (state == "25006") return ErrorCode::Unavailable;  // a standby that was not promoted yet
  if (state.starts_with("XX001") || state.starts_with("XX002")) return ErrorCode::Corruption;
  if (state.starts_with("54")) return ErrorCode::LimitExceeded;
  for (const char* transient : {"08", "40", "57P", "25P03", "55006"}) {
    if (state.starts_with(transient)) return ErrorCode::Unavailable;
  }
  return ErrorCode::Io;
}

/// One line: the server's messages end with a line end and may have several lines.
std::string one_line(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  std::string line(text);
  for (char& c : line) c = c == '\n' || c == '\t' ? ' ' : c;
  return line;
}

base::Error failure(ErrorCode code, std::string_view what) {
  return base::error(code, "PostgreSQL: " + one_line(what));
}

/// Runs `work` and turns what libpqxx throws into an error; `broken` is set if the connection went.
template <class T, class Work>
Result<T> guarded(bool& broken, Work work) {
  try {
    return work();
  } catch (const pqxx::broken_connection& error) {
    broken = true;
    return failure(ErrorCode::Unavailable, error.what());
  } catch (const pqxx::in_doubt_error& error) {
    broken = true;
    return failure(ErrorCode::Unavailable, error.what());
  } catch (const pqxx::statement_completion_unknown& error) {
    broken = true;
    return failure(ErrorCode::Unavailable, error.what());
  } catch (const pqxx::transaction_rollback& error) {  // deadlock, serialization
    return failure(ErrorCode::Unavailable, error.what());
  } catch (const pqxx::insufficient_privilege& error) {  // carries no SQLSTATE
    return failure(ErrorCode::PermissionDenied, error.what());
  } catch (const pqxx::undefined_table& error) {
    return failure(ErrorCode::NotFound, error.what());
  } catch (const pqxx::undefined_function& error) {
    return failure(ErrorCode::NotFound, error.what());
  } catch (const pqxx::sql_error& error) {
    const std::string state = error.sqlstate();
    return failure(code_of_state(state),
                   fmt::format("{} (SQLSTATE {})", error.what(), state.empty() ? "none" : state));
  } catch (const std::bad_alloc&) {
    return failure(ErrorCode::LimitExceeded, "out of memory");
  } catch (const std::exception& error) {
    return failure(ErrorCode::Io, error.what());
  }
}

std::string hexadecimal(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "\\x";
  text.reserve(2 + 2 * bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

int digit(char c) {
  return c <= '9' ? c - '0' : c - 'a' + 10;
}

/// Length of the UTF-8 character at the start of `text`; 0 if it is none. Source: RFC 3629.
std::size_t character(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = at(0);
  const std::size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  return length <= text.size() && base::is_utf8(text.substr(0, length)) ? length : 0;
}

Rows rows_of(const pqxx::result& result) {
  std::vector<std::optional<std::string>> cells;
  cells.reserve(result.size() * result.columns());
  for (const pqxx::row& row : result) {
    for (const pqxx::field& field : row) {
      if (field.is_null()) {
        cells.emplace_back(std::nullopt);
      } else {
        cells.emplace_back(std::string(field.c_str(), field.size()));
      }
    }
  }
  std::vector<std::string> names;
  for (pqxx::row::size_type i = 0; i < result.columns(); ++i) {
    names.emplace_back(result.column_name(i));
  }
  return Rows(std::move(names), std::move(cells),
              static_cast<std::int64_t>(result.affected_rows()));
}

}  // namespace

std::string storable(std::string_view text) {
  std::string kept;
  kept.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = text.front() == '\0' ? 0 : character(text);
    kept += length == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return kept;
}

void Array::separate() {
  if (literal_.size() > 1) literal_ += ',';
}

void Array::text(std::string_view value) {
  separate();
  literal_ += '"';
  for (const char c : storable(value)) {
    if (c == '"' || c == '\\') literal_ += '\\';
    literal_ += c;
  }
  literal_ += '"';
}

void Array::bytes(std::string_view value) {
  separate();
  literal_ += "\"\\" + hexadecimal(value) + '"';
}

void Array::integer(std::int64_t value) {
  separate();
  literal_ += std::to_string(value);
}

void Array::optional_integer(const std::optional<std::int64_t>& value) {
  if (value) return integer(*value);
  separate();
  literal_ += "NULL";
}

Values& Values::text(std::string_view value) {
  values_.emplace_back(storable(value));
  return *this;
}

Values& Values::bytes(std::string_view value) {
  values_.emplace_back(hexadecimal(value));
  return *this;
}

Values& Values::integer(std::int64_t value) {
  values_.emplace_back(std::to_string(value));
  return *this;
}

Values& Values::optional_integer(const std::optional<std::int64_t>& value) {
  return value ? integer(*value) : null();
}

Values& Values::null() {
  values_.emplace_back(std::nullopt);
  return *this;
}

Values& Values::array(const Array& array) {
  values_.emplace_back(array.finish());
  return *this;
}

const std::optional<std::string>& Rows::cell(std::size_t row, std::size_t column) const {
  TC_CHECK(column < columns_ && row * columns_ + column < cells_.size(), "no such cell");
  return cells_[row * columns_ + column];
}

const std::string& Rows::text(std::size_t row, std::size_t column) const {
  static const std::string kNull;
  const auto& value = cell(row, column);
  return value ? *value : kNull;
}

std::string Rows::bytes(std::size_t row, std::size_t column) const {
  const std::string& hex = text(row, column);
  std::string value;
  value.reserve(hex.size() / 2);
  for (std::size_t i = 2; i + 1 < hex.size(); i += 2) {
    value += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
  }
  return value;
}

std::int64_t Rows::integer(std::size_t row, std::size_t column) const {
  const std::string& digits = text(row, column);
  std::int64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

std::optional<std::int64_t> Rows::optional_integer(std::size_t row, std::size_t column) const {
  if (!cell(row, column)) return std::nullopt;
  return integer(row, column);
}

struct Connection::Impl {
  explicit Impl(const std::string& dsn) : connection(dsn) {
// A new connection needs its session set up. Deprecated because later versions never reconnect.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    connection.inhibit_reactivation(true);
#pragma GCC diagnostic pop
  }

  pqxx::connection connection;
  pqxx::quiet_errorhandler quiet{connection};   ///< Notices are no news; errors are thrown.
  std::map<const char*, std::string> prepared;  ///< Statement -> its name.
};

struct Transaction::Impl {
  explicit Impl(pqxx::connection& connection) : work(connection) {}

  pqxx::work work;
};

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::~Connection() = default;

Result<std::unique_ptr<Connection>> Connection::connect(const Settings& settings) {
  bool broken = false;
  auto impl = guarded<std::unique_ptr<Impl>>(
      broken, [&] { return std::make_unique<Impl>(connection_string(settings)); });
  if (!impl) {
    // The class of the exception is the same for a wrong password and for no server.
    base::Error error = impl.error();
    if (error.message.find("authentication failed") != std::string::npos ||
        error.message.find("does not exist") != std::string::npos) {
      error.code = ErrorCode::PermissionDenied;
    } else if (error.message.find("invalid connection option") != std::string::npos ||
               error.message.find("missing \"=\"") != std::string::npos) {
      error.code = ErrorCode::InvalidArgument;
    }
    return error;
  }
  std::unique_ptr<Connection> connection(new Connection(std::move(*impl)));
  TC_TRY(connection->set_up(settings));
  return connection;
}

int Connection::server_version() const {
  return impl_->connection.server_version();
}

template <class T>
Result<T> Connection::settled(Result<T> result) {
  // The server's last word may be an ordinary error; that it is gone shows in the connection.
  if (!result && !impl_->connection.is_open()) broken_ = true;
  if (!result && broken_) return base::error(ErrorCode::Unavailable, result.error().message);
  return result;
}

// `Work` is one of libpqxx's kinds of transactions.
template <class Work>
Result<Rows> Connection::run_in(Work& work, const char* sql, const Values& values) {
  return settled(guarded<Rows>(broken_, [&]() -> Result<Rows> {
    auto& prepared = impl_->prepared;
    auto known = prepared.find(sql);
    if (known == prepared.end()) {
      known = prepared.emplace(sql, fmt::format("s{}", prepared.size())).first;
      impl_->connection.prepare(known->second, sql);
    }
    std::vector<const char*> parameters;
    for (const auto& value : values.values())
      parameters.push_back(value ? value->c_str() : nullptr);
    return rows_of(
        work.exec_prepared(known->second, pqxx::prepare::make_dynamic_params(parameters)));
  }));
}

Result<Rows> Connection::run(const char* sql, const Values& values) {
  if (broken_) return failure(ErrorCode::Unavailable, "the connection is gone");
  auto begun = guarded<std::unique_ptr<pqxx::nontransaction>>(
      broken_, [&] { return std::make_unique<pqxx::nontransaction>(impl_->connection); });
  if (!begun) return begun.error();
  return run_in(**begun, sql, values);
}

Result<void> Connection::run_alone(const std::string& sql) {
  if (broken_) return failure(ErrorCode::Unavailable, "the connection is gone");
  return settled(guarded<void>(broken_, [&]() -> Result<void> {
    pqxx::nontransaction work(impl_->connection);
    work.exec(sql);
    return base::ok();
  }));
}

Result<void> Connection::set_up(const Settings& settings) {
  const std::string statement = std::to_string(settings.statement_timeout.count());
  TC_TRY(
      run("SELECT set_config('statement_timeout', $1, false),"
          " set_config('idle_in_transaction_session_timeout', $1, false),"
          " set_config('lock_timeout', $2, false),"
          " set_config('bytea_output', 'hex', false),"
          " set_config('standard_conforming_strings', 'on', false)",
          Values().text(statement).text(std::to_string(settings.lock_timeout.count()))));
  // Stricter settings (waiting for a standby) stay; a page must survive power loss in any case.
  TC_TRY(run(settings.read_only
                 ? "SELECT set_config('default_transaction_read_only', 'on', false)"
                 : "SELECT set_config('synchronous_commit', 'on', false)"
                   " WHERE current_setting('synchronous_commit') IN ('off', 'local')"));
  return base::ok();
}

Transaction::Transaction(Connection& connection) : connection_(connection) {}

Transaction::~Transaction() {
  // Rolling back on a connection that is gone fails, which is what is wanted.
  bool broken = false;
  static_cast<void>(guarded<void>(broken, [&]() -> Result<void> {
    impl_.reset();
    return base::ok();
  }));
}

Result<void> Transaction::begin() {
  if (connection_.broken_) return failure(ErrorCode::Unavailable, "the connection is gone");
  return guarded<void>(connection_.broken_, [&]() -> Result<void> {
    impl_ = std::make_unique<Impl>(connection_.impl_->connection);
    return base::ok();
  });
}

Result<Rows> Transaction::run(const char* sql, const Values& values) {
  TC_CHECK(impl_ != nullptr, "statement outside of a transaction");
  return connection_.run_in(impl_->work, sql, values);
}

Result<void> Transaction::script(const char* sql) {
  TC_CHECK(impl_ != nullptr, "statement outside of a transaction");
  return guarded<void>(connection_.broken_, [&]() -> Result<void> {
    impl_->work.exec(sql);
    return base::ok();
  });
}

Result<void> Transaction::commit() {
  TC_CHECK(impl_ != nullptr, "commit outside of a transaction");
  auto result = guarded<void>(connection_.broken_, [&]() -> Result<void> {
    impl_->work.commit();
    return base::ok();
  });
  return connection_.settled(std::move(result));
}

}  // namespace tocsin::postgres
