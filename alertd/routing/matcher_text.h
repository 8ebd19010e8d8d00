// Matchers as people write them: severity="critical", host=~"db.*", {a="1", b!="2"}.
#pragma once

#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/model/matcher.h"

namespace tocsin::routing {

/// Parses one matcher or several with commas between; braces around them (both or none) and one
/// trailing comma are allowed.
///
/// A name or value without quotes may hold anything but white space and {}!=~,\"'`; with double
/// quotes the escapes of Go apply. Any valid UTF-8 is allowed in both. `error_offset` (may be null)
/// receives the byte where the mistake is. Errors: InvalidArgument (says what was expected),
/// LimitExceeded (a pattern that is too large). Source: Alertmanager documentation, "Matcher"
/// (UTF-8 mode).
base::Result<std::vector<model::Matcher>> parse_matchers(std::string_view text,
                                                         std::size_t* error_offset = nullptr);

}  // namespace tocsin::routing
