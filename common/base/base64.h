// Base64 for headers and bodies. Source: RFC 4648, section 4.
#pragma once

#include <string>
#include <string_view>

namespace tocsin::base {

/// Returns the standard alphabet's text, padded, on one line.
std::string base64(std::string_view bytes);

}  // namespace tocsin::base
