// Fields of one line of JSON, by name.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace boost::json {
class object;
class value;
}  // namespace boost::json

namespace tocsin::agent {

/// Parses a line that is an object; its memory is `value`'s. nullptr: it is none.
const boost::json::object* parse_json_line(std::string_view line, boost::json::value& value);

/// Returns a field as text: strings as they are, numbers and booleans as written. "a.b" is a field
/// in an object, unless there is a field of that very name. nullopt: missing, null, or no scalar.
std::optional<std::string> json_field(const boost::json::object& object, std::string_view name);

}  // namespace tocsin::agent
