// Levels, patterns, new kinds of errors, audit events and personal data in an application's log.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/collectors/logs/app_line.h"
#include "agent/collectors/logs/fingerprints.h"
#include "agent/collectors/logs/log_line.h"
#include "agent/collectors/logs/sample_buffer.h"
#include "common/base/clock.h"

namespace tocsin::agent {

/// Lines that match are counted under a name.
struct LogPattern {
  enum class Value { None, Gauge, Counter };
  std::string name;
  std::string regex;          ///< RE2, anywhere in the line.
  Value value = Value::None;  ///< What the group `value` is: the latest, or to be added up.
};

struct AppLogOptions {
  std::string log;          ///< The label `log`.
  std::string level_field;  ///< In JSON lines; "": level, levelname or severity.
  std::vector<LogPattern> patterns;
  bool fingerprints = true;
  std::size_t fingerprints_max = 1000;
  /// At the very first sight of a log all kinds are new: for so long they are learnt, not told.
  base::Duration learning{600'000};
  bool personal_data = true;
  std::string audit_marker = "Sensitive operation audit:";
  std::string audit_action_field = "action";
  std::string audit_status_field = "status";
  std::optional<base::Duration> audit_silent_after;
};

/// Owner: the logs' thread.
class AppLog final : public LogConsumer {
 public:
  /// Errors: InvalidArgument (a pattern).
  static base::Result<std::unique_ptr<AppLog>> make(AppLogOptions options,
                                                    const base::Clock& clock);
  ~AppLog() override;

  void take(const LogLine& line) override;
  void tell(MetricSink& sink) override;
  std::vector<std::vector<std::string>> save() const override;
  void load(const std::vector<std::string_view>& fields) override;

 private:
  struct Compiled;
  AppLog(AppLogOptions options, const base::Clock& clock, std::vector<Compiled> patterns);
  void begin_learning();
  LineLevel level_of(const LogLine& line) const;
  void take_fingerprint(std::string_view text);
  void take_patterns(std::string_view text);
  void take_audit(std::string_view text);

  AppLogOptions options_;
  const base::Clock& clock_;
  std::vector<Compiled> patterns_;
  CounterTable lines_;
  CounterTable audit_events_;
  Fingerprints fingerprints_;
  std::optional<base::WallTime> learnt_at_;  ///< From when on what is new is told.
  double errors_ = 0;
  double new_fingerprints_ = 0;
  double personal_ = 0;
  std::optional<base::WallTime> last_audit_;
  base::MonotonicTime said_until_{};  ///< New kinds are said in the log, so many a minute.
  int said_ = 0;
};

}  // namespace tocsin::agent
