#include "agent/collectors/logs/auth_log.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <utility>

#include "agent/collectors/logs/syslog_line.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/strings.h"

namespace tocsin::agent {

namespace {

using EventKind = AuthEvent::Kind;

constexpr const char* kAuthLog = "agent/logs";
constexpr std::size_t kTriedMax = 512;
constexpr std::size_t kKeptFailuresMax = 2'000;
constexpr std::size_t kServicesMax = 50;
constexpr std::size_t kServiceBytesMax = 32;
constexpr int kAuthSaidAMinute = 10;
constexpr int kAuthGroupsMax = 16;

constexpr MetricInfo kFailures{"sec_auth_failures_total", "Failed log-ins.",
                               model::MetricType::Counter};
constexpr MetricInfo kSuccesses{"sec_auth_successes_total", "Log-ins.", model::MetricType::Counter};
constexpr MetricInfo kSessions{"sec_auth_sessions_total", "Sessions that PAM opened.",
                               model::MetricType::Counter};
constexpr MetricInfo kSudo{"sec_sudo_total", "Commands by sudo: run, or refused.",
                           model::MetricType::Counter};
constexpr MetricInfo kUnknownUsers{"sec_auth_unknown_users_total",
                                   "Failed log-ins to accounts that do not exist.",
                                   model::MetricType::Counter};
constexpr MetricInfo kSuccessAfter{"sec_auth_success_after_failures_total",
                                   "Log-ins after many failures of the source or account.",
                                   model::MetricType::Counter};
constexpr MetricInfo kServiceLogins{"sec_service_account_logins_total",
                                    "Interactive log-ins as an account of a service.",
                                    model::MetricType::Counter};
constexpr MetricInfo kNewAccounts{"sec_new_accounts_total", "Accounts that were made.",
                                  model::MetricType::Counter};
constexpr MetricInfo kRemovedAccounts{"sec_accounts_removed_total", "Accounts that were removed.",
                                      model::MetricType::Counter};
constexpr MetricInfo kPasswords{"sec_password_changes_total", "Passwords that were changed.",
                                model::MetricType::Counter};
constexpr MetricInfo kAdmins{"sec_admin_group_additions_total",
                             "Accounts that were put into a group with power.",
                             model::MetricType::Counter};
constexpr MetricInfo kSourceMax{"sec_auth_failures_source_max",
                                "Most failed log-ins of one source within the window."};
constexpr MetricInfo kAccountMax{"sec_auth_failures_account_max",
                                 "Most failed log-ins to one account within the window."};
constexpr MetricInfo kSpray{"sec_auth_accounts_per_source_max",
                            "Most accounts that one source failed at within the window."};
constexpr MetricInfo kDropped{"sec_auth_events_dropped_total",
                              "Failures that were forgotten before their window ended.",
                              model::MetricType::Counter};

struct Window {
  std::string_view name;
  base::Duration length;
};
constexpr std::array<Window, 4> kWindows{{{"1m", base::Duration{60'000}},
                                          {"5m", base::Duration{300'000}},
                                          {"10m", base::Duration{600'000}},
                                          {"15m", base::Duration{900'000}}}};

std::uint64_t key_of_name(std::string_view name) {
  return name.empty() ? 0 : base::xxh64(name);  // stable: it is kept over restarts
}

/// A line can be forged, so what it calls a service is a label only if it looks like one.
std::string_view bounded_service(const CounterTable& table, std::string_view service) {
  const bool plain = !service.empty() && service.size() <= kServiceBytesMax &&
                     std::all_of(service.begin(), service.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
                     });
  if (!plain) return "other";
  return table.size() < kServicesMax || table.contains({service}) ? service : "other";
}

std::string printable(std::string_view text) {
  return base::escape_control(text.substr(0, 64));
}

}  // namespace

struct AuthLog::Pattern {
  explicit Pattern(const std::string& text) : regex(text, options()) {}

  static RE2::Options options() {
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(std::int64_t{1} << 20U);
    return options;
  }

  RE2 regex;
  int ip = 0;
  int user = 0;
  int forwarded = 0;
  int ok = 0;
  int fail = 0;
};

base::Result<std::unique_ptr<AuthLog>> AuthLog::make(AuthLogOptions options,
                                                     const base::Clock& clock) {
  TC_TRY(TrustedProxies proxies, TrustedProxies::parse(options.trusted_proxies));
  std::unique_ptr<Pattern> pattern;
  if (!options.pattern.empty()) {
    pattern = std::make_unique<Pattern>(options.pattern);
    const auto bad = [](std::string why) {
      return base::error(base::ErrorCode::InvalidArgument, std::move(why));
    };
    if (!pattern->regex.ok()) return bad("bad regular expression: " + pattern->regex.error());
    if (pattern->regex.NumberOfCapturingGroups() >= kAuthGroupsMax) {
      return bad("the pattern has too many groups");
    }
    for (const auto& [name, number] : pattern->regex.NamedCapturingGroups()) {
      if (name == "ip") pattern->ip = number;
      if (name == "user") pattern->user = number;
      if (name == "forwarded") pattern->forwarded = number;
      if (name == "ok") pattern->ok = number;
      if (name == "fail") pattern->fail = number;
    }
    if (pattern->fail == 0 || (pattern->ip == 0 && pattern->user == 0)) {
      return bad(
          "the pattern needs the group (?P<fail>...) and one of (?P<ip>...), "
          "(?P<user>...)");
    }
  }
  return std::unique_ptr<AuthLog>(
      new AuthLog(std::move(options), clock, std::move(proxies), std::move(pattern)));
}

AuthLog::AuthLog(AuthLogOptions options, const base::Clock& clock, TrustedProxies proxies,
                 std::unique_ptr<Pattern> pattern)
    : options_(std::move(options)),
      clock_(clock),
      proxies_(std::move(proxies)),
      pattern_(std::move(pattern)),
      windows_(options_.events_max),
      service_accounts_(options_.service_accounts.begin(), options_.service_accounts.end()),
      failures_(kFailures, {"service"}),
      successes_(kSuccesses, {"service"}),
      sessions_(kSessions, {"service"}),
      sudo_(kSudo, {"result"}) {
  if (pattern_) {
    failures_.add({"application"}, 0);
    successes_.add({"application"}, 0);
    return;
  }
  failures_.add({"sshd"}, 0);
  successes_.add({"sshd"}, 0);
  sudo_.add({"run"}, 0);
  sudo_.add({"refused"}, 0);
}

AuthLog::~AuthLog() = default;

void AuthLog::take(const LogLine& line) {
  if (pattern_) {
    take_application(line.text);
    return;
  }
  const base::WallTime now = clock_.wall();
  if (!line.program.empty()) {  // the journal
    if (const auto event = parse_auth(line.program, line.text)) {
      take_event(*event, line.time.value_or(now), line.pid);
    }
    return;
  }
  const auto syslog = parse_syslog(line.text, now);
  if (!syslog) return;
  if (const auto event = parse_auth(syslog->program, syslog->message)) {
    // A clock that runs ahead must not push everybody else out of the windows.
    take_event(*event, std::min(*syslog->time, now), syslog->pid);
  }
}

void AuthLog::take_application(std::string_view text) {
  std::array<re2::StringPiece, kAuthGroupsMax + 1> groups;
  const Pattern& pattern = *pattern_;
  if (!pattern.regex.Match({text.data(), text.size()}, 0, text.size(), RE2::UNANCHORED,
                           groups.data(), 1 + pattern.regex.NumberOfCapturingGroups())) {
    return;
  }
  const auto group = [&](int number) {
    const re2::StringPiece piece = groups[static_cast<std::size_t>(number)];
    return number == 0 ? std::string_view() : std::string_view(piece.data(), piece.size());
  };
  AuthEvent event;
  event.service = "application";
  event.user = group(pattern.user);
  event.source = proxies_.client(group(pattern.ip), group(pattern.forwarded));
  if (!group(pattern.fail).empty()) {
    failure(event, clock_.wall());
  } else if (pattern.ok != 0 && !group(pattern.ok).empty()) {
    success(event, clock_.wall());
  }
}

void AuthLog::take_event(const AuthEvent& event, base::WallTime at, std::string_view pid) {
  switch (event.kind) {
    case EventKind::Failure:
      if (event.service == "sshd") password_tried(pid, true);
      failure(event, at);
      return;
    case EventKind::Aborted:
      if (!password_tried(pid, false)) failure(event, at);
      return;
    case EventKind::Success:
      success(event, at);
      return;
    case EventKind::SessionOpened:
      sessions_.add({bounded_service(sessions_, event.service)});
      return;
    case EventKind::Sudo:
      sudo_.add({"run"});
      return;
    case EventKind::SudoRefused:
      sudo_.add({"refused"});
      return;
    case EventKind::AccountAdded:
    case EventKind::AccountRemoved:
    case EventKind::GroupMemberAdded:
    case EventKind::PasswordChanged:
      count_account_event(event);
      return;
  }
}

void AuthLog::count_account_event(const AuthEvent& event) {
  if (event.kind == EventKind::AccountAdded) {
    ++new_accounts_;
    say(fmt::format("the account '{}' was made", printable(event.user)));
  } else if (event.kind == EventKind::AccountRemoved) {
    ++removed_accounts_;
  } else if (event.kind == EventKind::PasswordChanged) {
    ++passwords_changed_;
  } else if (std::find(options_.admin_groups.begin(), options_.admin_groups.end(), event.target) !=
             options_.admin_groups.end()) {
    const std::string what = fmt::format("'{}' was put into the group '{}'", printable(event.user),
                                         printable(event.target));
    if (what == last_admin_) return;
    last_admin_ = what;
    ++admins_added_;
    say(what);
  }
}

void AuthLog::failure(const AuthEvent& event, base::WallTime at) {
  failures_.add({bounded_service(failures_, event.service)}, event.count);
  if (event.unknown_user) unknown_users_ += event.count;
  const std::uint64_t source = key_of_name(event.source);
  const std::uint64_t account = key_of_name(event.user);
  for (int i = 0; i < std::min(event.count, 1'000); ++i) windows_.failure(at, source, account);
  const std::size_t before = windows_.failures_before(at, source, 0);
  // At 10 and each ten times as many; the words are for whoever reads this host's log.
  if (before == 10 || before == 100 || before == 1'000) {
    say(fmt::format("{} failed log-ins by {} from {} within 15m", before, event.service,
                    printable(event.source)));
  }
}

void AuthLog::success(const AuthEvent& event, base::WallTime at) {
  successes_.add({bounded_service(successes_, event.service)}, event.count);
  const std::size_t failed =
      windows_.failures_before(at, key_of_name(event.source), key_of_name(event.user));
  if (failed >= options_.success_after) {
    ++success_after_failures_;
    say(fmt::format("'{}' got in by {} from {} after {} failed log-ins within 15m",
                    printable(event.user), event.service, printable(event.source), failed));
  }
  if (service_accounts_.contains(event.user)) {
    ++service_account_logins_;
    say(fmt::format("somebody logged in as the service account '{}' by {} from {}",
                    printable(event.user), event.service, printable(event.source)));
  }
}

/// Returns whether this sshd had a failed password before.
bool AuthLog::password_tried(std::string_view pid, bool tried) {
  if (pid.empty()) return false;
  const bool known = std::find(tried_.begin(), tried_.end(), pid) != tried_.end();
  if (tried && !known) {
    tried_.emplace_back(pid);
    if (tried_.size() > kTriedMax) tried_.pop_front();
  }
  return known;
}

void AuthLog::say(const std::string& text) {
  const base::MonotonicTime now = clock_.monotonic();
  if (now >= said_until_) {
    said_until_ = now + base::Duration{60'000};
    said_ = 0;
  }
  if (++said_ > kAuthSaidAMinute) return;
  base::log_warning(kAuthLog, "log '{}': {}", options_.log, text);
}

void AuthLog::tell(MetricSink& sink) {
  const model::LabelView log{"log", options_.log};
  failures_.tell(sink, log);
  successes_.tell(sink, log);
  sink.add(kUnknownUsers, {log}, unknown_users_);
  sink.add(kSuccessAfter, {log}, success_after_failures_);
  sink.add(kDropped, {log}, windows_.dropped());
  if (!service_accounts_.empty()) sink.add(kServiceLogins, {log}, service_account_logins_);
  const base::WallTime now = clock_.wall();
  tell_windows(sink, now);
  windows_.end_round(now);
  if (pattern_) return;
  sessions_.tell(sink, log);
  sudo_.tell(sink, log);
  sink.add(kNewAccounts, {log}, new_accounts_);
  sink.add(kRemovedAccounts, {log}, removed_accounts_);
  sink.add(kPasswords, {log}, passwords_changed_);
  sink.add(kAdmins, {log}, admins_added_);
}

std::vector<std::vector<std::string>> AuthLog::save() const {
  std::vector<std::vector<std::string>> rows;
  for (const AuthWindows::Failure& failure : windows_.latest(kKeptFailuresMax)) {
    rows.push_back({"failure", std::to_string(base::to_ms(failure.at)),
                    std::to_string(failure.source), std::to_string(failure.account)});
  }
  return rows;
}

void AuthLog::load(const std::vector<std::string_view>& fields) {
  if (fields.size() != 4 || fields[0] != "failure") return;
  const auto at = base::parse_i64(fields[1]);
  const auto source = base::parse_u64(fields[2]);
  const auto account = base::parse_u64(fields[3]);
  if (at && source && account) windows_.restore({base::wall_time(*at), *source, *account});
}

void AuthLog::tell_windows(MetricSink& sink, base::WallTime now) {
  const model::LabelView log{"log", options_.log};
  for (const Window& window : kWindows) {
    const model::LabelView name{"window", window.name};
    const auto value = [](AuthWindows::Peak peak) { return static_cast<double>(peak.value); };
    sink.add(kSourceMax, {log, name}, value(windows_.source_max(window.length, now)));
    sink.add(kAccountMax, {log, name}, value(windows_.account_max(window.length, now)));
    sink.add(kSpray, {log, name}, value(windows_.accounts_per_source_max(window.length, now)));
  }
}

}  // namespace tocsin::agent
