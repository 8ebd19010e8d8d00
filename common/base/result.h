// Expected failures are values: Result<T> over boost::system::result.
//
// The error code answers one question, *who acts?*: the caller fixes its input, the operator fixes
// the host, somebody tries again later, or the thing is dropped and counted. is_retryable() is the
// single place that decides about trying again. Exceptions are for bugs and for third parties; they
// are caught in the .cc file that calls the third party.
#pragma once

#include <boost/system/result.hpp>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace tocsin::base {

/// Who has to act on a failure.
enum class ErrorCode {
  InvalidArgument,   ///< The caller fixes its input; trying again is useless.
  NotFound,          ///< The named thing does not exist.
  PermissionDenied,  ///< The credential is missing, wrong, or not allowed to do this.
  Corruption,        ///< Stored bytes are damaged; quarantine them.
  Io,                ///< The operator fixes the host (disk, descriptor limit).
  Unavailable,       ///< Try again later.
  Timeout,           ///< No answer within the deadline; try again later.
  LimitExceeded,     ///< A stated limit was reached; the message names it.
  Cancelled,         ///< The work was given up on purpose.
};

/// Returns the code's name in snake_case, as used in metrics labels and API replies.
std::string_view to_string(ErrorCode code);

/// Returns whether doing the same thing again later can succeed without anybody changing anything.
bool is_retryable(ErrorCode code);

/// A failure: who acts, and one sentence that names the object and the limit.
struct Error {
  ErrorCode code = ErrorCode::InvalidArgument;
  std::string message;
};

/// Prints "code: message"; tests print results through it.
std::ostream& operator<<(std::ostream& stream, const Error& error);

/// Returns `error` with "`context`: " put before its message.
Error with_context(Error error, std::string_view context);

/// Makes `Result<T>::value()` on an error abort instead of throwing: it is a bug.
[[noreturn]] void throw_exception_from_error(const Error& error,
                                             const boost::source_location& where);

/// A value or an Error. Construct from either; test with `if (result)`.
template <class T>
class [[nodiscard]] Result : public boost::system::result<T, Error> {
 public:
  using boost::system::result<T, Error>::result;
};

/// Prints "ok" or the error, for tests' messages.
template <class T>
std::ostream& operator<<(std::ostream& stream, const Result<T>& result) {
  return result ? stream << "ok" : stream << result.error();
}

/// The `Result<void>` of success.
inline Result<void> ok() {
  return Result<void>(boost::system::in_place_value);
}

/// Returns an Error of `code` with `message`; shorter at the call site than braces.
inline Error error(ErrorCode code, std::string message) {
  return Error{code, std::move(message)};
}

}  // namespace tocsin::base

#define TC_CONCAT_INNER(a, b) a##b
#define TC_CONCAT(a, b) TC_CONCAT_INNER(a, b)
#define TC_TRY_ASSIGN_NAMED(name, declaration, expression) \
  auto name = (expression);                                \
  if (!name) return std::move(name).error();               \
  declaration = std::move(*name)
#define TC_TRY_ASSIGN(declaration, expression) \
  TC_TRY_ASSIGN_NAMED(TC_CONCAT(tc_result_, __LINE__), declaration, expression)
#define TC_TRY_VOID(expression)                                                         \
  do {                                                                                  \
    if (auto tc_result = (expression); !tc_result) return std::move(tc_result).error(); \
  } while (false)
#define TC_TRY_SELECT(first, second, name, ...) name

/// `TC_TRY(auto x, f())` binds the value or returns the error; `TC_TRY(f())` for Result<void>.
#define TC_TRY(...) TC_TRY_SELECT(__VA_ARGS__, TC_TRY_ASSIGN, TC_TRY_VOID, )(__VA_ARGS__)
