// Which files a git work tree tracks, and which of them should be secret. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace tocsin::agent {

/// Returns the tracked paths of .git/index, versions 2 to 4, SHA-1.
///
/// At most `entries_max`. Errors: Corruption (no index, cut, of another version), LimitExceeded.
/// Source: git, Documentation/gitformat-index.
base::Result<std::vector<std::string>> parse_git_index(std::string_view bytes,
                                                       std::size_t entries_max);

/// What a tracked file's name lets one expect.
enum class SecretName {
  None,
  Key,          ///< id_rsa, *.pem, *.key: one that must be looked into.
  KeyStore,     ///< *.p12, *.pfx, *.ppk, *.jks: holds a private key whatever is in it.
  Environment,  ///< .env, .env.production; not .env.example.
};
SecretName secret_name(std::string_view path);

/// Returns whether the text holds a private key that no password protects.
bool holds_private_key(std::string_view text);

}  // namespace tocsin::agent
