#include "common/base/result.h"

#include "common/base/check.h"

namespace tocsin::base {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::InvalidArgument:
      return "invalid_argument";
    case ErrorCode::NotFound:
      return "not_found";
    case ErrorCode::PermissionDenied:
      return "permission_denied";
    case ErrorCode::Corruption:
      return "corruption";
    case ErrorCode::Io:
      return "io";
    case ErrorCode::Unavailable:
      return "unavailable";
    case ErrorCode::Timeout:
      return "timeout";
    case ErrorCode::LimitExceeded:
      return "limit_exceeded";
    case ErrorCode::Cancelled:
      return "cancelled";
  }
  return "unknown";
}

bool is_retryable(ErrorCode code) {
  return code == ErrorCode::Unavailable || code == ErrorCode::Timeout || code == ErrorCode::Io;
}

std::ostream& operator<<(std::ostream& stream, const Error& error) {
  return stream << to_string(error.code) << ": " << error.message;
}

Error with_context(Error error, std::string_view context) {
  error.message.insert(0, ": ");
  error.message.insert(0, context);
  return error;
}

void throw_exception_from_error(const Error& error, const boost::source_location& where) {
  check_failed("value() of a failed Result", where.file_name(), static_cast<int>(where.line()),
               error.message);
}

}  // namespace tocsin::base
