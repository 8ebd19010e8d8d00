#include "common/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "common/base/strings.h"

namespace tocsin::base {
namespace {

spdlog::logger& logger() {
  // The one process-wide object: the log must work before and after everything else.
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("tocsin",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    // UTC: journald knows the local time, and localtime() would share state between threads.
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::Debug:
      return spdlog::level::debug;
    case LogLevel::Info:
      return spdlog::level::info;
    case LogLevel::Warning:
      return spdlog::level::warn;
    case LogLevel::Error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

}  // namespace

void set_log_level(LogLevel level) {
  logger().set_level(to_spdlog(level));
}

Result<LogLevel> parse_log_level(std::string_view text) {
  if (text == "debug") return LogLevel::Debug;
  if (text == "info") return LogLevel::Info;
  if (text == "warning") return LogLevel::Warning;
  if (text == "error") return LogLevel::Error;
  return error(ErrorCode::InvalidArgument,
               fmt::format("'{}' is not a log level; use debug, info, warning or error", text));
}

void log_line(LogLevel level, std::string_view component, std::string_view message) {
  if (!logger().should_log(to_spdlog(level))) return;
  logger().log(to_spdlog(level), "[{}] {}", component, escape_control(message));
}

void FailureLog::report(const std::string& subject, const std::string& message) {
  {
    MutexLock lock(mutex_);
    std::string& said = said_[subject];
    if (said == message) return;
    said = message;
  }
  log_warning(component_, "{}: {}", subject, message);
}

void FailureLog::clear(const std::string& subject) {
  {
    MutexLock lock(mutex_);
    if (said_.erase(subject) == 0) return;
  }
  log_info(component_, "{}: works again", subject);
}

}  // namespace tocsin::base
