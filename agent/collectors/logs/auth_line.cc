#include "agent/collectors/logs/auth_line.h"

#include <algorithm>
#include <array>

#include "common/base/strings.h"

namespace tocsin::agent {

namespace {

using Kind = AuthEvent::Kind;
using Event = std::optional<AuthEvent>;

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

/// Returns what stands between `begin` and the next of `ends`; "" if `begin` is not there.
std::string_view between(std::string_view text, std::string_view begin, std::string_view ends) {
  const std::size_t at = text.find(begin);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + begin.size());
  return text.substr(0, text.find_first_of(ends));
}

AuthEvent event_of(Kind kind, std::string_view service, std::string_view user,
                   std::string_view source = {}) {
  AuthEvent event;
  event.kind = kind;
  event.service = service;
  event.user = user;
  event.source = source;
  return event;
}

/// "[invalid user ]NAME from ADDRESS[ port N ...]". What the name holds is the client's choice,
/// " from " included, so the address is looked for from the end.
Event user_from_address(Kind kind, std::string_view rest) {
  const bool unknown = take_prefix(rest, "invalid user ") || take_prefix(rest, "illegal user ");
  const std::size_t from = rest.rfind(" from ");
  if (from == std::string_view::npos) return std::nullopt;
  const std::string_view address = rest.substr(from + 6);
  AuthEvent event =
      event_of(kind, "sshd", rest.substr(0, from), address.substr(0, address.find(' ')));
  event.unknown_user = unknown;
  return event;
}

/// "invalid user NAME ADDRESS port N" or "authenticating user NAME ADDRESS port N".
Event preauth_leaver(std::string_view rest) {
  const bool unknown = take_prefix(rest, "invalid user ");
  if (!unknown && !take_prefix(rest, "authenticating user ")) return std::nullopt;
  const std::size_t port = rest.rfind(" port ");
  if (port == std::string_view::npos) return std::nullopt;
  rest = rest.substr(0, port);
  const std::size_t space = rest.rfind(' ');
  if (space == std::string_view::npos) return std::nullopt;
  AuthEvent event = event_of(Kind::Aborted, "sshd", rest.substr(0, space), rest.substr(space + 1));
  event.unknown_user = unknown;
  return event;
}

Event parse_sshd(std::string_view message) {
  std::string_view rest = message;
  if (take_prefix(rest, "Failed ")) {
    const std::size_t method = rest.find(" for ");
    if (method == std::string_view::npos) return std::nullopt;
    // Clients offer each of their keys, and first of all nothing, before what gets them in.
    if (rest.substr(0, method) != "password") return std::nullopt;
    return user_from_address(Kind::Failure, rest.substr(method + 5));
  }
  if (take_prefix(rest, "error: PAM: Authentication failure for ")) {
    return user_from_address(Kind::Failure, rest);
  }
  if (take_prefix(rest, "Accepted ")) {
    const std::size_t method = rest.find(" for ");
    if (method == std::string_view::npos) return std::nullopt;
    return user_from_address(Kind::Success, rest.substr(method + 5));
  }
  if (rest.ends_with("[preauth]") &&
      (take_prefix(rest, "Connection closed by ") || take_prefix(rest, "Connection reset by ") ||
       take_prefix(rest, "Disconnected from "))) {
    return preauth_leaver(rest);
  }
  return std::nullopt;
}

/// "alice : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls", "alice : 3 incorrect password
/// attempts ; ...", "alice : user NOT in sudoers ; ...".
Event parse_sudo(std::string_view message) {
  const std::size_t colon = message.find(" : ");
  if (colon == std::string_view::npos || message.find("COMMAND=") == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view user = base::trim(message.substr(0, colon));
  const std::string_view rest = message.substr(colon + 3);
  AuthEvent event = event_of(Kind::Sudo, "sudo", user, between(rest, "TTY=", " ;"));
  const std::string_view first = rest.substr(0, rest.find(" ;"));
  if (first.find("incorrect password attempt") != std::string_view::npos ||
      first.find("authentication failure") != std::string_view::npos) {
    event.kind = Kind::Failure;
    const auto count = base::parse_u64(first.substr(0, first.find(' ')));
    if (count && *count > 0 && *count < 100) event.count = static_cast<int>(*count);
  } else if (first.find("NOT in sudoers") != std::string_view::npos ||
             first.find("NOT authorized") != std::string_view::npos ||
             first.find("command not allowed") != std::string_view::npos) {
    event.kind = Kind::SudoRefused;
  }
  return event;
}

/// "(to root) alice on pts/0", with "FAILED SU " before it when it failed.
Event parse_su(std::string_view message) {
  const bool failed = take_prefix(message, "FAILED SU ");
  if (!take_prefix(message, "(to ")) return std::nullopt;
  const std::size_t close = message.find(") ");
  if (close == std::string_view::npos) return std::nullopt;
  const std::string_view from = message.substr(close + 2);
  AuthEvent event =
      event_of(failed ? Kind::Failure : Kind::Success, "su", message.substr(0, close),
               from.substr(from.find(" on ") == from.npos ? from.size() : from.find(" on ") + 4));
  return event;
}

/// "FAILED LOGIN (1) on '/dev/tty1' FOR 'alice', ..."; "LOGIN ON tty1 BY alice"; "ROOT LOGIN  ON
/// tty1".
Event parse_login(std::string_view message) {
  if (message.starts_with("FAILED LOGIN")) {
    return event_of(Kind::Failure, "login", between(message, "FOR '", "'"),
                    between(message, "on '", "'"));
  }
  if (message.starts_with("ROOT LOGIN")) {
    return event_of(Kind::Success, "login", "root", between(message, "ON ", " "));
  }
  if (message.starts_with("LOGIN ON ") && message.find(" BY ") != std::string_view::npos) {
    return event_of(Kind::Success, "login", between(message, " BY ", " "),
                    between(message, "LOGIN ON ", " "));
  }
  return std::nullopt;
}

/// useradd, usermod, userdel, gpasswd.
Event parse_account_tool(std::string_view program, std::string_view message) {
  if (message.starts_with("new user: ")) {
    return event_of(Kind::AccountAdded, program, between(message, "name=", ","));
  }
  if (message.starts_with("delete user ")) {
    return event_of(Kind::AccountRemoved, program, between(message, "delete user '", "'"));
  }
  AuthEvent event = event_of(Kind::GroupMemberAdded, program, {});
  // usermod and useradd: add 'alice' to group 'sudo' (and once more for the shadow group).
  if (message.starts_with("add '") && message.find("' to group '") != std::string_view::npos) {
    event.user = between(message, "add '", "'");
    event.target = between(message, "' to group '", "'");
    return event;
  }
  // gpasswd: user alice added by root to group sudo
  if (message.starts_with("user ") && message.find(" added by ") != std::string_view::npos) {
    event.user = between(message, "user ", " ");
    event.target = between(message, " to group ", " ");
    return event;
  }
  return std::nullopt;
}

/// "pam_unix(vsftpd:auth): authentication failure; logname= ... rhost=1.2.3.4  user=alice"
Event parse_pam(std::string_view message) {
  constexpr std::array<std::string_view, 6> kOwnWords{"sshd", "sudo", "sudo-i",
                                                      "su",   "su-l", "login"};
  const std::size_t open = message.find('(');
  const std::size_t close = message.find("): ");
  if (!message.starts_with("pam_") || open == std::string_view::npos ||
      close == std::string_view::npos || open > close) {
    return std::nullopt;
  }
  const std::string_view where = message.substr(open + 1, close - open - 1);
  const std::size_t colon = where.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view service = where.substr(0, colon);
  const std::string_view what = message.substr(close + 3);
  if (what.starts_with("session opened for user ")) {
    return event_of(Kind::SessionOpened, service, between(what, "for user ", " ("));
  }
  if (what.starts_with("password changed for ")) {
    return event_of(Kind::PasswordChanged, service, between(what, "changed for ", " "));
  }
  if (!what.starts_with("authentication failure;") ||
      std::find(kOwnWords.begin(), kOwnWords.end(), service) != kOwnWords.end()) {
    return std::nullopt;
  }
  std::string_view source = between(what, "rhost=", " ");
  if (source.empty()) source = between(what, "tty=", " ");
  return event_of(Kind::Failure, service, between(what, " user=", " "), source);
}

}  // namespace

std::optional<AuthEvent> parse_auth(std::string_view program, std::string_view message) {
  // rsyslog: "message repeated 3 times: [ Failed password for ...]"
  std::string_view rest = message;
  if (take_prefix(rest, "message repeated ")) {
    const auto times = base::parse_u64(rest.substr(0, rest.find(' ')));
    const std::size_t open = rest.find(": [ ");
    if (!times || *times > 100'000 || open == std::string_view::npos || !rest.ends_with(']')) {
      return std::nullopt;
    }
    auto event = parse_auth(program, rest.substr(open + 4, rest.size() - open - 5));
    if (event) event->count *= static_cast<int>(*times);
    return event;
  }
  if (message.starts_with("pam_")) return parse_pam(message);
  if (program == "sshd" || program == "sshd-session") return parse_sshd(message);
  if (program == "sudo") return parse_sudo(message);
  if (program == "su") return parse_su(message);
  if (program == "login") return parse_login(message);
  if (program == "useradd" || program == "usermod" || program == "userdel" ||
      program == "gpasswd" || program == "groupmod") {
    return parse_account_tool(program, message);
  }
  return std::nullopt;
}

}  // namespace tocsin::agent
