#include "agent/collectors/logs/app_log.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <boost/json.hpp>
#include <utility>

#include "agent/collectors/logs/json_field.h"
#include "agent/collectors/logs/syslog_line.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/strings.h"

namespace tocsin::agent {

namespace {

constexpr const char* kAppLog = "agent/logs";
constexpr std::size_t kTopFingerprints = 20;
constexpr std::size_t kAuditKindsMax = 100;
constexpr int kSaidAMinute = 5;
constexpr base::Duration kMinute{60'000};

constexpr MetricInfo kLines{"log_lines_total", "Lines, by level.", model::MetricType::Counter};
constexpr MetricInfo kErrors{"log_errors_total", "Lines at error level or worse.",
                             model::MetricType::Counter};
constexpr MetricInfo kNewFingerprints{"log_new_fingerprints_total",
                                      "Kinds of errors that were never seen before.",
                                      model::MetricType::Counter};
constexpr MetricInfo kFingerprints{"log_fingerprints", "Kinds of errors that are known."};
constexpr MetricInfo kFingerprintLines{"log_fingerprint_lines_total",
                                       "Lines of the most frequent kinds of errors.",
                                       model::MetricType::Counter};
constexpr MetricInfo kPersonal{"log_personal_data_total", "Lines with an e-mail address.",
                               model::MetricType::Counter};
constexpr MetricInfo kPatterns{"log_patterns_total", "Lines that match a pattern.",
                               model::MetricType::Counter};
constexpr MetricInfo kPatternValue{"log_pattern_value", "The latest value in a pattern's lines."};
constexpr MetricInfo kPatternSum{"log_pattern_value_total",
                                 "Values in a pattern's lines, added up.",
                                 model::MetricType::Counter};
constexpr MetricInfo kAuditEvents{"audit_events_total", "Audit events in the log.",
                                  model::MetricType::Counter};
constexpr MetricInfo kLastAudit{"audit_last_event_timestamp_seconds",
                                "When the latest audit event came, or was first waited for."};
constexpr MetricInfo kAuditSilent{"audit_silent_after_seconds",
                                  "After how long without an audit event something is wrong."};

/// What we say about lines is no line to say something about; it comes back through the system's
/// log.
bool is_our_own(const LogLine& line) {
  constexpr std::size_t kHeadOfLine = 100;
  return line.program == "tocsin-agent" ||
         line.text.substr(0, kHeadOfLine).find(" tocsin-agent[") != std::string_view::npos;
}

/// What a line says in words: of JSON its message, of a line of syslog what follows the head.
std::string words_of(std::string_view text, base::WallTime now) {
  if (const auto syslog = parse_syslog(text, now)) text = syslog->message;
  boost::json::value value;
  if (const auto* object = parse_json_line(text, value)) {
    for (const std::string_view field : {"message", "msg", "event", "error"}) {
      if (auto words = json_field(*object, field)) return std::move(*words);
    }
  }
  return std::string(text);
}

}  // namespace

struct AppLog::Compiled {
  LogPattern pattern;
  std::unique_ptr<RE2> regex;
  int group = 0;
  double lines = 0;
  double sum = 0;
  std::optional<double> latest;
};

base::Result<std::unique_ptr<AppLog>> AppLog::make(AppLogOptions options,
                                                   const base::Clock& clock) {
  std::vector<Compiled> patterns;
  for (const LogPattern& pattern : options.patterns) {
    RE2::Options re2;
    re2.set_log_errors(false);
    re2.set_max_mem(std::int64_t{1} << 20U);
    Compiled compiled;
    compiled.pattern = pattern;
    compiled.regex = std::make_unique<RE2>(pattern.regex, re2);
    if (!compiled.regex->ok()) {
      return base::error(base::ErrorCode::InvalidArgument,
                         "bad regular expression: " + compiled.regex->error());
    }
    const auto& groups = compiled.regex->NamedCapturingGroups();
    if (const auto value = groups.find("value"); value != groups.end()) {
      compiled.group = value->second;
    }
    if (pattern.value != LogPattern::Value::None && compiled.group == 0) {
      return base::error(base::ErrorCode::InvalidArgument,
                         "a pattern with a value needs the group (?P<value>...)");
    }
    patterns.push_back(std::move(compiled));
  }
  return std::unique_ptr<AppLog>(new AppLog(std::move(options), clock, std::move(patterns)));
}

AppLog::AppLog(AppLogOptions options, const base::Clock& clock, std::vector<Compiled> patterns)
    : options_(std::move(options)),
      clock_(clock),
      patterns_(std::move(patterns)),
      lines_(kLines, {"level"}),
      audit_events_(kAuditEvents, {"action", "status"}),
      fingerprints_(options_.fingerprints_max) {
  for (const std::string_view level : {"warning", "error", "critical"}) lines_.add({level}, 0);
}

AppLog::~AppLog() = default;

LineLevel AppLog::level_of(const LogLine& line) const {
  if (line.text.starts_with('{')) {
    boost::json::value value;
    if (const auto* object = parse_json_line(line.text, value)) {
      for (const std::string_view field :
           {std::string_view(options_.level_field), std::string_view("level"),
            std::string_view("levelname"), std::string_view("severity")}) {
        const auto name = json_field(*object, field);
        if (name) return level_of_name(*name);
      }
    }
  }
  const LineLevel level = level_of_line(line.text);
  return level == LineLevel::None ? level_of_priority(line.priority) : level;
}

void AppLog::take(const LogLine& line) {
  if (base::trim(line.text).empty() || is_our_own(line)) return;
  begin_learning();
  const LineLevel level = level_of(line);
  lines_.add({to_string(level)});
  if (level >= LineLevel::Error) {
    ++errors_;
    if (options_.fingerprints) take_fingerprint(line.text);
  }
  if (options_.personal_data && has_email(line.text)) ++personal_;
  take_patterns(line.text);
  take_audit(line.text);
}

void AppLog::take_fingerprint(std::string_view text) {
  const base::WallTime now = clock_.wall();
  const std::string kind = fingerprint_text(words_of(text, now));
  const std::uint64_t fingerprint = base::fnv1a(kind);
  if (!fingerprints_.add(fingerprint, now) || now < *learnt_at_) return;
  ++new_fingerprints_;
  const base::MonotonicTime monotonic = clock_.monotonic();
  if (monotonic >= said_until_) {
    said_until_ = monotonic + kMinute;
    said_ = 0;
  }
  if (++said_ > kSaidAMinute) return;
  base::log_info(kAppLog, "log '{}': a new kind of error, {:016x}: {}", options_.log, fingerprint,
                 kind);
}

void AppLog::take_patterns(std::string_view text) {
  for (Compiled& one : patterns_) {
    re2::StringPiece groups[17];
    const int count = one.group == 0 ? 0 : one.group + 1;
    if (count > 17 || !one.regex->Match({text.data(), text.size()}, 0, text.size(), RE2::UNANCHORED,
                                        groups, count)) {
      continue;
    }
    ++one.lines;
    if (one.group == 0) continue;
    const re2::StringPiece group = groups[one.group];
    const auto value = base::parse_double({group.data(), group.size()});
    if (!value) continue;
    one.latest = *value;
    if (*value > 0) one.sum += *value;
  }
}

void AppLog::take_audit(std::string_view text) {
  const auto event = audit_event(text, options_.audit_marker, options_.audit_action_field,
                                 options_.audit_status_field);
  if (!event) return;
  last_audit_ = clock_.wall();
  const bool known = audit_events_.contains({event->action, event->status});
  const bool room = known || audit_events_.size() < kAuditKindsMax;
  audit_events_.add({room ? event->action : "other", room ? event->status : "other"});
}

void AppLog::begin_learning() {
  if (learnt_at_) return;
  learnt_at_ = clock_.wall() + options_.learning;
  // An event that never came at all is silence as well, from now on.
  if (options_.audit_silent_after && !last_audit_) last_audit_ = clock_.wall();
}

void AppLog::tell(MetricSink& sink) {
  begin_learning();
  const model::LabelView log{"log", options_.log};
  lines_.tell(sink, log);
  sink.add(kErrors, {log}, errors_);
  if (options_.fingerprints) {
    sink.add(kNewFingerprints, {log}, new_fingerprints_);
    sink.add(kFingerprints, {log}, static_cast<double>(fingerprints_.size()));
    for (const auto& [fingerprint, lines] : fingerprints_.top(kTopFingerprints)) {
      const std::string name = fmt::format("{:016x}", fingerprint);
      sink.add(kFingerprintLines, {log, {"fingerprint", name}}, lines);
    }
  }
  if (options_.personal_data) sink.add(kPersonal, {log}, personal_);
  for (const Compiled& one : patterns_) {
    const model::LabelView pattern{"pattern", one.pattern.name};
    sink.add(kPatterns, {log, pattern}, one.lines);
    if (one.pattern.value == LogPattern::Value::Counter) {
      sink.add(kPatternSum, {log, pattern}, one.sum);
    } else if (one.pattern.value == LogPattern::Value::Gauge && one.latest) {
      sink.add(kPatternValue, {log, pattern}, *one.latest);
    }
  }
  audit_events_.tell(sink, log);
  if (last_audit_) sink.add(kLastAudit, {log}, base::to_seconds(*last_audit_));
  if (options_.audit_silent_after) {
    sink.add(kAuditSilent, {log}, static_cast<double>(options_.audit_silent_after->count()) / 1000);
  }
}

std::vector<std::vector<std::string>> AppLog::save() const {
  std::vector<std::vector<std::string>> rows = fingerprints_.save();
  if (learnt_at_) rows.push_back({"learnt", fmt::format("{}", base::to_ms(*learnt_at_))});
  if (last_audit_) rows.push_back({"audit", fmt::format("{}", base::to_ms(*last_audit_))});
  return rows;
}

void AppLog::load(const std::vector<std::string_view>& fields) {
  if (fields.size() == 3 && fields[0] == "fingerprint") {
    fingerprints_.load(fields[1], fields[2]);
  } else if (fields.size() == 2) {
    const auto ms = base::parse_i64(fields[1]);
    if (ms && fields[0] == "learnt") learnt_at_ = base::wall_time(*ms);
    if (ms && fields[0] == "audit") last_audit_ = base::wall_time(*ms);
  }
}

}  // namespace tocsin::agent
