// TC_CHECK: assertions that stay in every build. For bugs only, never on input.
#pragma once

#include <string>

namespace tocsin::base {

/// Prints the failed condition with a backtrace to stderr and aborts.
[[noreturn]] void check_failed(const char* condition, const char* file, int line,
                               const std::string& message);

}  // namespace tocsin::base

/// Aborts with a backtrace unless `condition` holds, in every build.
#define TC_CHECK(condition, message)                                         \
  do {                                                                       \
    if (!(condition)) [[unlikely]]                                           \
      ::tocsin::base::check_failed(#condition, __FILE__, __LINE__, message); \
  } while (false)

/// TC_CHECK in debug builds only: for conditions on hot paths.
#ifdef NDEBUG
#define TC_DCHECK(condition, message) \
  do {                                \
  } while (false)
#else
#define TC_DCHECK(condition, message) TC_CHECK(condition, message)
#endif
