// Files that give power: sudoers and authorised keys. Pure: text in, values out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tocsin::agent {

/// What a sudoers file grants. Aliases of commands are not resolved; includes are not followed.
struct Sudoers {
  int nopasswd_all = 0;              ///< Grants of every command without a password.
  std::vector<std::string> may_all;  ///< Whom every command is granted: "alice", "%sudo".
};
/// Source: sudoers(5).
Sudoers parse_sudoers(std::string_view text);

/// A public key of an authorized_keys file.
struct AuthorizedKey {
  std::string type;         ///< "ssh-ed25519"
  std::string fingerprint;  ///< As ssh-keygen -l prints it: "SHA256:...".
  bool weak = false;        ///< DSA, or RSA with fewer than 2048 bits.
};
/// Lines that hold no key are left out. Source: sshd(8), "AUTHORIZED_KEYS FILE FORMAT".
std::vector<AuthorizedKey> parse_authorized_keys(std::string_view text);

}  // namespace tocsin::agent
