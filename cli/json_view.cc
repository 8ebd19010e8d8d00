#include "cli/json_view.h"

#include <algorithm>
#include <boost/json.hpp>
#include <vector>

#include "common/base/strings.h"
#include "common/model/labels.h"

namespace tocsin::cli {
namespace {

const boost::json::value* member(const boost::json::value& object, std::string_view key) {
  const auto* members = object.if_object();
  return members == nullptr ? nullptr : members->if_contains(key);
}

const boost::json::object kNoObject;
const boost::json::array kNoArray;

}  // namespace

boost::json::value parse_json(const std::string& text) {
  boost::system::error_code error;
  boost::json::value value = boost::json::parse(text, error);
  return error ? boost::json::value(nullptr) : value;
}

std::string text_of(const boost::json::value& object, std::string_view key) {
  const auto* value = member(object, key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

double number_of(const boost::json::value& object, std::string_view key) {
  const auto* value = member(object, key);
  if (value == nullptr || !value->is_number()) return 0;
  boost::system::error_code error;
  const double number = value->to_number<double>(error);
  return error ? 0 : number;
}

bool flag_of(const boost::json::value& object, std::string_view key) {
  const auto* value = member(object, key);
  return value != nullptr && value->is_bool() && value->get_bool();
}

const boost::json::object& object_of(const boost::json::value& object, std::string_view key) {
  const auto* value = member(object, key);
  return value != nullptr && value->is_object() ? value->get_object() : kNoObject;
}

const boost::json::array& array_of(const boost::json::value& object, std::string_view key) {
  const auto* value = member(object, key);
  return value != nullptr && value->is_array() ? value->get_array() : kNoArray;
}

std::string series_text(const boost::json::object& labels, std::string_view hidden) {
  const auto hide = base::split(hidden, ' ');
  model::LabelsBuilder builder;
  for (const auto& [name, value] : labels) {
    const std::string_view key(name.data(), name.size());
    if (!value.is_string() || std::find(hide.begin(), hide.end(), key) != hide.end()) continue;
    builder.set(key, std::string_view(value.get_string().data(), value.get_string().size()));
  }
  return builder.build().to_string();
}

std::string rule_origin(const boost::json::value& annotations) {
  const std::string commit = text_of(annotations, "rule_commit");
  if (commit.empty()) return "";
  return commit.substr(0, 10) + " by " + text_of(annotations, "rule_author") + ": " +
         text_of(annotations, "rule_subject");
}

}  // namespace tocsin::cli
