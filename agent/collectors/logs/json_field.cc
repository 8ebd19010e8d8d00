#include "agent/collectors/logs/json_field.h"

#include <boost/json.hpp>

namespace tocsin::agent {

namespace {

constexpr std::size_t kJsonDepthMax = 16;

std::optional<std::string> scalar_text(const boost::json::value& value) {
  if (const auto* text = value.if_string()) return std::string(text->data(), text->size());
  if (value.is_number() || value.is_bool()) return boost::json::serialize(value);
  return std::nullopt;
}

}  // namespace

const boost::json::object* parse_json_line(std::string_view line, boost::json::value& value) {
  if (!line.starts_with('{')) return nullptr;
  boost::json::parse_options options;
  options.max_depth = kJsonDepthMax;
  boost::json::error_code failed;
  value = boost::json::parse({line.data(), line.size()}, failed, {}, options);
  return failed ? nullptr : value.if_object();
}

std::optional<std::string> json_field(const boost::json::object& object, std::string_view name) {
  if (name.empty()) return std::nullopt;
  if (const auto* value = object.if_contains({name.data(), name.size()})) {
    return scalar_text(*value);
  }
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto* inner = object.if_contains({name.data(), dot});
  if (inner == nullptr || !inner->is_object()) return std::nullopt;
  return json_field(inner->get_object(), name.substr(dot + 1));
}

}  // namespace tocsin::agent
