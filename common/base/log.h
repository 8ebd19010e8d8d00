// The log: one line an event, `time level [component] message`, to stderr (journald takes it from
// there).
//
// Control characters are escaped, so that a label cannot forge a line or colour a terminal.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <unordered_map>

#include "common/base/mutex.h"
#include "common/base/result.h"

namespace tocsin::base {

enum class LogLevel { Debug, Info, Warning, Error };

/// Sets what is written from now on; default Info. Thread: any.
void set_log_level(LogLevel level);

/// Parses "debug", "info", "warning" or "error". Errors: InvalidArgument.
Result<LogLevel> parse_log_level(std::string_view text);

/// Writes one line; `component` is the folder, such as "agent/spool". Thread: any.
void log_line(LogLevel level, std::string_view component, std::string_view message);

template <class... Args>
void log_debug(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::Debug, component, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_info(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::Info, component, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::Warning, component, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_error(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::Error, component, fmt::format(format, std::forward<Args>(args)...));
}

/// Says each failure once, and once more when it is over, instead of each round.
///
/// Usage: `failures.report("diskstats", error.message)` on each failed round; `failures.clear(...)`
/// on each good one. A changed message is said again. Thread: any.
class FailureLog {
 public:
  explicit FailureLog(std::string component) : component_(std::move(component)) {}

  void report(const std::string& subject, const std::string& message) EXCLUDES(mutex_);
  void clear(const std::string& subject) EXCLUDES(mutex_);

 private:
  std::string component_;
  Mutex mutex_;
  std::unordered_map<std::string, std::string> said_ GUARDED_BY(mutex_);
};

}  // namespace tocsin::base
