// Base64, in both alphabets, as headers, tokens and signatures use it. Source: RFC 4648.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tocsin::base {

/// Returns `bytes` with + and / and padding.
std::string base64(std::string_view bytes);
/// Returns `bytes` with - and _ and without padding: safe in a URL, a file name, an address.
std::string base64url_encode(std::string_view bytes);

/// Decodes text of one alphabet; padding may be missing, but if there it must be right. nullopt if
/// a character or the length is wrong, or unused bits are set: one text for one value.
std::optional<std::string> base64_decode(std::string_view text);
std::optional<std::string> base64url_decode(std::string_view text);

}  // namespace tocsin::base
