// Files that give power: authorised keys. Pure: text in, values out. (sudoers.h has its own.)
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tocsin::agent {

/// A public key of an authorized_keys file.
struct AuthorizedKey {
  std::string type;         ///< "ssh-ed25519"
  std::string fingerprint;  ///< As ssh-keygen -l prints it: "SHA256:...".
  bool weak = false;        ///< DSA, or RSA with fewer than 2048 bits.
};
/// Lines that hold no key are left out. Source: sshd(8), "AUTHORIZED_KEYS FILE FORMAT".
std::vector<AuthorizedKey> parse_authorized_keys(std::string_view text);

}  // namespace tocsin::agent
