#include "common/postgres/console.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>

namespace tocsin::postgres {

using base::ErrorCode;
using base::Result;

namespace {

struct ConnectionFree {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct ResultFree {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ConnectionHandle = std::unique_ptr<PGconn, ConnectionFree>;
using ResultHandle = std::unique_ptr<PGresult, ResultFree>;

/// libpq's messages end with a line end and may have several lines.
base::Error console_error(ErrorCode code, std::string_view what) {
  std::string line(what);
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.pop_back();
  for (char& c : line) c = c == '\n' || c == '\t' ? ' ' : c;
  return base::error(code, std::move(line));
}

/// Waits until the socket can be read (or written); an error once `due` is past.
Result<void> wait_for_socket(PGconn* connection, bool write, base::MonotonicTime due,
                             const base::Clock& clock) {
  pollfd waiting{PQsocket(connection), static_cast<short>(write ? POLLOUT : POLLIN), 0};
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(due - clock.monotonic());
    if (left.count() <= 0) return base::error(ErrorCode::Timeout, "no answer within the timeout");
    if (::poll(&waiting, 1, static_cast<int>(left.count())) > 0) return base::ok();
  }
}

/// Before a session there is no SQLSTATE; the words are all there is.
ErrorCode code_of_refusal(std::string_view message) {
  const auto says = [&](std::string_view word) { return message.find(word) != message.npos; };
  if (says("authentication failed") || says("not allowed") || says("no password supplied") ||
      says("no such user") || says("no such database") || says("login failed")) {
    return ErrorCode::PermissionDenied;
  }
  if (says("invalid connection option") || says("missing \"=\"") || says("invalid port")) {
    return ErrorCode::InvalidArgument;
  }
  return ErrorCode::Unavailable;
}

Result<void> finish_connecting(PGconn* connection, base::MonotonicTime due,
                               const base::Clock& clock) {
  PostgresPollingStatusType status = PGRES_POLLING_WRITING;
  while (status != PGRES_POLLING_OK) {
    if (status == PGRES_POLLING_FAILED || PQstatus(connection) == CONNECTION_BAD) {
      const std::string message = PQerrorMessage(connection);
      return console_error(code_of_refusal(message), message);
    }
    TC_TRY(wait_for_socket(connection, status == PGRES_POLLING_WRITING, due, clock));
    status = PQconnectPoll(connection);
  }
  return base::ok();
}

Rows rows_of(const PGresult* result) {
  const int columns = PQnfields(result);
  std::vector<std::string> names;
  for (int column = 0; column < columns; ++column) names.emplace_back(PQfname(result, column));
  std::vector<std::optional<std::string>> cells;
  for (int row = 0; row < PQntuples(result); ++row) {
    for (int column = 0; column < columns; ++column) {
      if (PQgetisnull(result, row, column) != 0) {
        cells.emplace_back(std::nullopt);
      } else {
        cells.emplace_back(std::string(PQgetvalue(result, row, column),
                                       static_cast<std::size_t>(PQgetlength(result, row, column))));
      }
    }
  }
  return Rows(std::move(names), std::move(cells), 0);
}

}  // namespace

struct Console::Impl {
  ConnectionHandle connection;
  const base::Clock& clock;
  base::Duration timeout;
  std::size_t rows_max;

  /// Returns the last result; nullptr if there was none.
  Result<ResultHandle> answer(base::MonotonicTime due) {
    ResultHandle last;
    while (true) {
      while (PQisBusy(connection.get()) != 0) {
        TC_TRY(wait_for_socket(connection.get(), false, due, clock));
        if (PQconsumeInput(connection.get()) == 0) {
          return console_error(ErrorCode::Unavailable, PQerrorMessage(connection.get()));
        }
      }
      ResultHandle next(PQgetResult(connection.get()));
      if (!next) return last;
      last = std::move(next);
    }
  }
};

Console::Console(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Console::~Console() = default;

Result<std::unique_ptr<Console>> Console::connect(const ConsoleSettings& settings,
                                                  const base::Clock& clock) {
  // The dsn is expanded where it stands; what comes after it wins.
  std::vector<const char*> names{"dbname", "application_name", "client_encoding"};
  std::vector<const char*> values{settings.dsn.c_str(), settings.application_name.c_str(), "UTF8"};
  if (!settings.password.empty()) {
    names.push_back("password");
    values.push_back(settings.password.reveal().c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  const base::MonotonicTime due = clock.monotonic() + settings.timeout;
  ConnectionHandle connection(PQconnectStartParams(names.data(), values.data(), 1));
  if (!connection) return base::error(ErrorCode::LimitExceeded, "out of memory");
  TC_TRY(finish_connecting(connection.get(), due, clock));
  // Notices are no news.
  PQsetNoticeReceiver(
      connection.get(), [](void*, const PGresult*) {}, nullptr);
  return std::unique_ptr<Console>(new Console(std::make_unique<Impl>(
      Impl{std::move(connection), clock, settings.timeout, settings.rows_max})));
}

Result<Rows> Console::run(const char* command) {
  PGconn* connection = impl_->connection.get();
  if (broken_ || PQsendQuery(connection, command) == 0) {
    broken_ = true;
    return console_error(ErrorCode::Unavailable, PQerrorMessage(connection));
  }
  auto answer = impl_->answer(impl_->clock.monotonic() + impl_->timeout);
  if (!answer || PQstatus(connection) == CONNECTION_BAD) {
    broken_ = true;
    return answer ? console_error(ErrorCode::Unavailable, PQerrorMessage(connection))
                  : answer.error();
  }
  const PGresult* result = answer->get();
  if (PQresultStatus(result) != PGRES_TUPLES_OK) {
    const std::string message = result == nullptr ? "no answer" : PQresultErrorMessage(result);
    const bool refused = code_of_refusal(message) == ErrorCode::PermissionDenied ||
                         message.find("admin access needed") != std::string::npos;
    return console_error(refused ? ErrorCode::PermissionDenied : ErrorCode::InvalidArgument,
                         message);
  }
  const auto rows = static_cast<std::size_t>(PQntuples(result));
  if (rows > impl_->rows_max) {
    return base::error(ErrorCode::LimitExceeded,
                       fmt::format("{}: {} rows, limit {}", command, rows, impl_->rows_max));
  }
  return rows_of(result);
}

}  // namespace tocsin::postgres
