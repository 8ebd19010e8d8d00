#include "alertd/incident/json_values.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cmath>

namespace tocsin::incident {

namespace json = boost::json;
using base::ErrorCode;
using base::Result;

const json::value* FieldReader::find(std::string_view name) const {
  return object_.if_contains(name);
}

std::string FieldReader::string(std::string_view name) {
  const json::value* value = find(name);
  if (!value) return {};
  if (const json::string* text = value->if_string()) return std::string(text->data(), text->size());
  wrong(name);
  return {};
}

std::int64_t FieldReader::integer(std::string_view name, std::int64_t default_value) {
  const json::value* value = find(name);
  if (!value) return default_value;
  boost::system::error_code failure;
  const auto number = value->to_number<std::int64_t>(failure);
  if (!failure) return number;
  wrong(name);
  return default_value;
}

std::uint64_t FieldReader::unsigned_integer(std::string_view name) {
  const std::int64_t value = integer(name);
  if (value < 0) wrong(name);
  return value < 0 ? 0 : static_cast<std::uint64_t>(value);
}

std::optional<double> FieldReader::number(std::string_view name) {
  const json::value* value = find(name);
  if (!value) return std::nullopt;
  if (const json::string* text = value->if_string()) {  // NaN and infinities
    if (*text == "NaN") return std::nan("");
    if (*text == "+Inf") return HUGE_VAL;
    if (*text == "-Inf") return -HUGE_VAL;
  }
  boost::system::error_code failure;
  const double number = value->to_number<double>(failure);
  if (!failure) return number;
  wrong(name);
  return std::nullopt;
}

bool FieldReader::boolean(std::string_view name) {
  const json::value* value = find(name);
  if (!value) return false;
  if (const bool* flag = value->if_bool()) return *flag;
  wrong(name);
  return false;
}

base::WallTime FieldReader::time(std::string_view name) {
  return base::wall_time(integer(name));
}

std::optional<base::WallTime> FieldReader::optional_time(std::string_view name) {
  if (!find(name)) return std::nullopt;
  return time(name);
}

model::Labels FieldReader::labels(std::string_view name) {
  model::LabelsBuilder builder;
  for (const auto& [key, value] : strings(name)) builder.set(key, value);
  return builder.build();
}

std::map<std::string, std::string> FieldReader::strings(std::string_view name) {
  std::map<std::string, std::string> result;
  const json::object* fields = object(name);
  if (!fields) return result;
  for (const auto& field : *fields) {
    if (const json::string* text = field.value().if_string()) {
      result.emplace(field.key(), std::string(text->data(), text->size()));
    } else {
      wrong(name);
    }
  }
  return result;
}

const json::object* FieldReader::object(std::string_view name) {
  const json::value* value = find(name);
  if (!value) return nullptr;
  const json::object* object = value->if_object();
  if (!object) wrong(name);
  return object;
}

const json::array* FieldReader::array(std::string_view name) {
  const json::value* value = find(name);
  if (!value) return nullptr;
  const json::array* array = value->if_array();
  if (!array) wrong(name);
  return array;
}

Result<void> FieldReader::finish(std::string_view what) const {
  if (wrong_.empty()) return base::ok();
  return base::error(ErrorCode::Corruption,
                     fmt::format("stored {}: field '{}' has a wrong value", what, wrong_));
}

Result<json::object> parse_object(std::string_view text, std::string_view what) {
  json::parse_options options;
  options.max_depth = 32;
  boost::system::error_code failure;
  json::value value = json::parse(text, failure, {}, options);
  if (failure) {
    return base::error(ErrorCode::Corruption,
                       fmt::format("stored {}: not JSON: {}", what, failure.message()));
  }
  if (!value.is_object()) {
    return base::error(ErrorCode::Corruption, fmt::format("stored {}: not a JSON object", what));
  }
  return std::move(value.get_object());
}

json::object labels_value(const model::Labels& labels) {
  json::object object;
  for (const auto& label : labels) object[label.name] = label.value;
  return object;
}

json::object strings_value(const std::map<std::string, std::string>& strings) {
  json::object object;
  for (const auto& [key, value] : strings) object[key] = value;
  return object;
}

json::value number_value(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return value;
}

json::object alert_value(const model::Alert& alert) {
  json::object object;
  object["labels"] = labels_value(alert.labels);
  if (!alert.annotations.empty()) object["annotations"] = labels_value(alert.annotations);
  object["severity"] = model::to_string(alert.severity);
  object["starts_at"] = base::to_ms(alert.starts_at);
  if (alert.ends_at) object["ends_at"] = base::to_ms(*alert.ends_at);
  object["valid_until"] = base::to_ms(alert.valid_until);
  object["updated_at"] = base::to_ms(alert.updated_at);
  if (alert.value) object["value"] = number_value(*alert.value);
  if (!alert.generator_url.empty()) object["generator_url"] = alert.generator_url.view();
  if (!alert.rule_source.empty()) object["rule_source"] = alert.rule_source.view();
  return object;
}

Result<model::Alert> read_alert(const json::object& object) {
  FieldReader reader(object);
  model::Alert alert;
  alert.labels = reader.labels("labels");
  alert.annotations = reader.labels("annotations");
  alert.severity = reader.word("severity", model::parse_severity);
  alert.starts_at = reader.time("starts_at");
  alert.ends_at = reader.optional_time("ends_at");
  alert.valid_until = reader.time("valid_until");
  alert.updated_at = reader.time("updated_at");
  alert.value = reader.number("value");
  alert.generator_url = reader.string("generator_url");
  alert.rule_source = reader.string("rule_source");
  TC_TRY(reader.finish("alert"));
  return alert;
}

}  // namespace tocsin::incident
