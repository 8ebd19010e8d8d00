// Who tries to get in, who did, and what became of accounts: without any name in a label.
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/collectors/logs/auth_line.h"
#include "agent/collectors/logs/auth_windows.h"
#include "agent/collectors/logs/log_line.h"
#include "agent/collectors/logs/sample_buffer.h"
#include "agent/collectors/logs/trusted_proxies.h"
#include "common/base/clock.h"

namespace tocsin::agent {

struct AuthLogOptions {
  std::string log;  ///< The label `log`.
  /// An application's lines: RE2 with the groups ip, user, forwarded, and fail or ok. "": the
  /// system's log.
  std::string pattern;
  std::vector<std::string> trusted_proxies;
  std::vector<std::string> service_accounts;  ///< That nobody logs in as.
  std::vector<std::string> admin_groups{"sudo", "wheel", "admin", "docker", "root", "adm"};
  std::size_t success_after = 10;  ///< Failures before a success that make it news.
  std::size_t events_max = 20'000;
};

/// Owner: the logs' thread.
class AuthLog final : public LogConsumer {
 public:
  /// Errors: InvalidArgument (the pattern, a network).
  static base::Result<std::unique_ptr<AuthLog>> make(AuthLogOptions options,
                                                     const base::Clock& clock);
  ~AuthLog() override;

  void take(const LogLine& line) override;
  void tell(MetricSink& sink) override;
  /// The windows: an attack goes on while the agent is restarted.
  std::vector<std::vector<std::string>> save() const override;
  void load(const std::vector<std::string_view>& fields) override;

 private:
  struct Pattern;
  AuthLog(AuthLogOptions options, const base::Clock& clock, TrustedProxies proxies,
          std::unique_ptr<Pattern> pattern);
  void take_application(std::string_view text);
  void take_event(const AuthEvent& event, base::WallTime at, std::string_view pid);
  void count_account_event(const AuthEvent& event);
  void failure(const AuthEvent& event, base::WallTime at);
  void success(const AuthEvent& event, base::WallTime at);
  bool password_tried(std::string_view pid, bool tried);
  void tell_windows(MetricSink& sink, base::WallTime now);
  void say(const std::string& text);

  AuthLogOptions options_;
  const base::Clock& clock_;
  TrustedProxies proxies_;
  std::unique_ptr<Pattern> pattern_;
  AuthWindows windows_;
  std::set<std::string, std::less<>> service_accounts_;
  CounterTable failures_;
  CounterTable successes_;
  CounterTable sessions_;
  CounterTable sudo_;
  double unknown_users_ = 0;
  double success_after_failures_ = 0;
  double service_account_logins_ = 0;
  double new_accounts_ = 0;
  double removed_accounts_ = 0;
  double passwords_changed_ = 0;
  double admins_added_ = 0;
  std::deque<std::string> tried_;  ///< sshd's numbers that had a failed password, the latest.
  std::string last_admin_;         ///< usermod says it twice.
  base::MonotonicTime said_until_{};
  int said_ = 0;
};

}  // namespace tocsin::agent
