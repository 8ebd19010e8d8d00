#include "alertd/api/parameters.h"

#include <fmt/core.h>

#include <boost/json.hpp>
#include <cmath>

#include "common/base/strings.h"

namespace tocsin::api {
namespace {

constexpr double kSecondsMax = 9e12;  // as milliseconds still exact in 64 bits

base::Error bad(std::string_view name, std::string_view value, std::string_view wanted) {
  return base::error(base::ErrorCode::InvalidArgument,
                     fmt::format("parameter '{}': '{}' is not {}", name,
                                 base::escape_control(value.substr(0, 200)), wanted));
}

base::Error bad_body(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, "request body: " + std::move(message));
}

base::Result<std::map<std::string, std::string>> texts_of(const boost::json::object& object,
                                                          std::string_view key) {
  std::map<std::string, std::string> texts;
  for (const auto& [name, value] : object) {
    if (!value.is_string()) {
      return bad_body(fmt::format("'{}.{}' must be a text", key, std::string_view(name)));
    }
    texts.emplace(std::string(name), std::string(value.get_string()));
  }
  return texts;
}

}  // namespace

base::Result<base::WallTime> time_parameter(const net::ServerRequest& request,
                                            const std::string& name, base::WallTime missing) {
  const std::string_view text = request.parameter(name);
  if (text.empty()) return missing;
  if (const auto seconds = base::parse_double(text)) {
    if (!std::isfinite(*seconds) || std::abs(*seconds) > kSecondsMax) {
      return bad(name, text, "a time in range");
    }
    return base::wall_time(std::llround(*seconds * 1000));
  }
  auto time = base::parse_rfc3339(text);
  if (!time)
    return bad(name, text, "a time (unix seconds, or RFC 3339 such as 2026-11-23T14:48:35Z)");
  return *time;
}

base::Result<std::optional<base::Duration>> duration_parameter(const net::ServerRequest& request,
                                                               const std::string& name) {
  const std::string_view text = request.parameter(name);
  if (text.empty()) return std::optional<base::Duration>{};
  std::optional<base::Duration> duration;
  if (const auto seconds = base::parse_double(text)) {
    if (std::isfinite(*seconds) && std::abs(*seconds) <= kSecondsMax) {
      duration = base::Duration{std::llround(*seconds * 1000)};
    }
  } else if (auto parsed = base::parse_duration(text)) {
    duration = *parsed;
  }
  if (!duration) return bad(name, text, "a duration (seconds, or such as 5m)");
  if (*duration <= base::Duration{0}) return bad(name, text, "greater than zero");
  return duration;
}

base::Result<std::size_t> count_parameter(const net::ServerRequest& request,
                                          const std::string& name) {
  const std::string_view text = request.parameter(name);
  if (text.empty()) return std::size_t{0};
  const auto count = base::parse_u64(text);
  if (!count) return bad(name, text, "a whole number of at least 0");
  return static_cast<std::size_t>(*count);
}

std::vector<std::string> list_parameter(const net::ServerRequest& request,
                                        const std::string& name) {
  std::vector<std::string> values;
  const auto [begin, end] = request.query.equal_range(name);
  for (auto it = begin; it != end; ++it) values.push_back(it->second);
  return values;
}

base::Result<JsonBody> json_body(const net::ServerRequest& request,
                                 const std::vector<std::string>& allowed) {
  JsonBody body;
  if (base::trim(request.body).empty()) return body;
  const std::string_view content_type = request.header("content-type");
  const std::string type =
      base::to_lower(base::trim(content_type.substr(0, content_type.find(';'))));
  if (type != "application/json") return bad_body("Content-Type must be application/json");
  boost::json::parse_options options;
  options.max_depth = 4;
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(request.body, error, {}, options);
  if (error) return bad_body("not JSON: " + error.message());
  if (!value.is_object()) return bad_body("must be a JSON object");
  for (const auto& [name, member] : value.get_object()) {
    const std::string key(name);
    bool known = false;
    for (const std::string& candidate : allowed) known = known || candidate == key;
    if (!known) {
      const auto near = base::closest(key, allowed);
      return bad_body(fmt::format("unknown key '{}'{}", base::escape_control(key),
                                  near ? fmt::format("; did you mean '{}'?", *near)
                                       : "; known: " + base::join(allowed, ", ")));
    }
    if (member.is_string()) {
      body.texts[key] = std::string(member.get_string());
    } else if (member.is_object()) {
      TC_TRY(body.objects[key], texts_of(member.get_object(), key));
    } else {
      return bad_body(fmt::format("'{}' must be a text", key));
    }
  }
  return body;
}

}  // namespace tocsin::api
