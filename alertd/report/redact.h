// Masks what looks like a secret in texts that people hand on.
#pragma once

#include <string>
#include <string_view>

namespace tocsin::report {

/// Returns the text with the values of passwords, tokens and keys, credentials in addresses,
/// private keys and links that acknowledge replaced by "<secret>". Pure; linear time.
std::string redact(std::string_view text);

}  // namespace tocsin::report
