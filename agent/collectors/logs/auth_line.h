// What the lines of sshd, sudo, su, login, PAM and the account tools mean. Pure.
#pragma once

#include <optional>
#include <string_view>

namespace tocsin::agent {

struct AuthEvent {
  enum class Kind {
    Failure,  ///< A wrong password, or none after all.
    Success,  ///< Somebody got in.
    SessionOpened,
    Aborted,      ///< sshd: left before getting in; a failure if no password was tried.
    Sudo,         ///< A command was run.
    SudoRefused,  ///< Not in sudoers, or command not allowed.
    AccountAdded,
    AccountRemoved,
    GroupMemberAdded,  ///< `target` is the group.
    PasswordChanged,
  };
  Kind kind = Kind::Failure;
  std::string_view service;  ///< "sshd", "sudo", "su", "login", or PAM's name of it.
  std::string_view user;     ///< Who, or whose; may be "".
  std::string_view source;   ///< Address or terminal; may be "".
  std::string_view target;
  int count = 1;  ///< "message repeated 3 times".
  bool unknown_user = false;
};

/// Reads what `program` said. One attempt is one event: of the lines that sshd, sudo, su and login
/// write themselves PAM's about the same attempt are left out. nullopt: nothing of interest.
/// Source: the messages of OpenSSH 9, sudo 1.9, util-linux 2.38, shadow 4.13 and Linux-PAM 1.5.
std::optional<AuthEvent> parse_auth(std::string_view program, std::string_view message);

}  // namespace tocsin::agent
