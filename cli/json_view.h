// Reading members of JSON objects that may be missing or of another type: then the empty value.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>

namespace tocsin::cli {

/// Parses text that the API client has already checked; null if it is broken all the same.
boost::json::value parse_json(const std::string& text);

std::string text_of(const boost::json::value& object, std::string_view key);
double number_of(const boost::json::value& object, std::string_view key);
bool flag_of(const boost::json::value& object, std::string_view key);
const boost::json::object& object_of(const boost::json::value& object, std::string_view key);
const boost::json::array& array_of(const boost::json::value& object, std::string_view key);

/// Returns `name{a="b"}` of a JSON object of labels; names in `hidden` (separated by spaces) left
/// out.
std::string series_text(const boost::json::object& labels, std::string_view hidden = "");

/// Returns "1a2b3c4d5e by Ann: subject" of an alert's annotations: who last changed its rule; "" if
/// the rules come from no repository.
std::string rule_origin(const boost::json::value& annotations);

}  // namespace tocsin::cli
