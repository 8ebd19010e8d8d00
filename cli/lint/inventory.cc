#include "cli/lint/inventory.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "common/base/strings.h"

namespace tocsin::lint {
namespace {

namespace json = boost::json;

constexpr std::string_view kFormat = "tocsin-inventory-1";

base::Error bad(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

json::string_view view(std::string_view text) {
  return {text.data(), text.size()};
}

bool flag(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_bool() && value->get_bool();
}

std::string text(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

LabelStock read_label(const json::object& object) {
  LabelStock label;
  label.complete = flag(object, "complete");
  label.always = flag(object, "always");
  if (const json::value* values = object.if_contains("values"); values && values->is_array()) {
    for (const json::value& value : values->get_array()) {
      if (value.is_string()) label.values.emplace(value.get_string());
    }
  }
  return label;
}

base::Result<MetricStock> read_metric(std::string_view name, const json::value& value) {
  if (!value.is_object()) return bad(fmt::format("metric '{}' is no object", name));
  const json::object& object = value.get_object();
  MetricStock metric;
  metric.type = model::parse_metric_type(text(object, "type")).value_or(model::MetricType::Unknown);
  const json::value* labels = object.if_contains("labels");
  if (labels == nullptr || !labels->is_object()) return metric;
  metric.labels_known = true;
  for (const auto& [label, about] : labels->get_object()) {
    if (!about.is_object()) return bad(fmt::format("label of metric '{}' is no object", name));
    metric.labels.emplace(std::string(label), read_label(about.get_object()));
  }
  return metric;
}

json::object metric_json(const MetricStock& metric) {
  json::object object{{"type", view(model::to_string(metric.type))}};
  if (!metric.labels_known) return object;
  json::object labels;
  for (const auto& [name, label] : metric.labels) {
    json::array values;
    for (const std::string& value : label.values) values.emplace_back(value);
    labels[name] = {
        {"values", std::move(values)}, {"complete", label.complete}, {"always", label.always}};
  }
  object["labels"] = std::move(labels);
  return object;
}

}  // namespace

const MetricStock* Inventory::find(std::string_view name) const {
  const auto at = metrics.find(name);
  return at == metrics.end() ? nullptr : &at->second;
}

std::vector<const MetricStock*> Inventory::matching(
    const std::vector<model::Matcher>& on_name) const {
  std::vector<const MetricStock*> found;
  for (const auto& [name, metric] : metrics) {
    const bool all = std::all_of(on_name.begin(), on_name.end(),
                                 [&](const model::Matcher& m) { return m.matches(name); });
    if (all) found.push_back(&metric);
  }
  return found;
}

std::string Inventory::near(std::string_view name) const {
  std::vector<std::string> names;
  names.reserve(metrics.size());
  for (const auto& [known, metric] : metrics) names.push_back(known);
  return base::closest(name, names).value_or("");
}

base::Result<Inventory> read_inventory(std::string_view text_of_file, std::string source) {
  boost::system::error_code error;
  const json::value root = json::parse(view(text_of_file), error);
  if (error) return bad(fmt::format("{} is not JSON: {}", source, error.message()));
  if (!root.is_object() || text(root.get_object(), "format") != kFormat) {
    return bad(
        fmt::format("{} is no inventory: it must have \"format\": \"{}\", as `tocsin "
                    "inventory` writes it",
                    source, kFormat));
  }
  Inventory inventory;
  inventory.source = std::move(source);
  inventory.generated_at = text(root.get_object(), "generated_at");
  const json::value* metrics = root.get_object().if_contains("metrics");
  if (metrics == nullptr || !metrics->is_object()) {
    return bad(fmt::format("{} has no \"metrics\"", inventory.source));
  }
  for (const auto& [name, value] : metrics->get_object()) {
    const std::string key(name);
    TC_TRY(MetricStock metric, read_metric(key, value));
    inventory.metrics.emplace(key, std::move(metric));
  }
  return inventory;
}

std::string write_inventory(const Inventory& inventory) {
  std::string out = fmt::format("{{\n\"format\": \"{}\",\n", kFormat);
  if (!inventory.generated_at.empty()) {
    out += "\"generated_at\": " + json::serialize(json::value(inventory.generated_at)) + ",\n";
  }
  out += "\"metrics\": {";
  const char* separator = "\n";
  for (const auto& [name, metric] : inventory.metrics) {
    out += separator + json::serialize(json::value(name)) + ": " +
           json::serialize(metric_json(metric));
    separator = ",\n";
  }
  return out + "\n}\n}\n";
}

bool is_synthetic(std::string_view name) {
  static constexpr std::array<std::string_view, 10> kNames{"up",
                                                           "ALERTS",
                                                           "ALERTS_FOR_STATE",
                                                           "scrape_duration_seconds",
                                                           "scrape_samples_scraped",
                                                           "scrape_samples_post_metric_relabeling",
                                                           "scrape_series_added",
                                                           "scrape_timeout_seconds",
                                                           "scrape_body_size_bytes",
                                                           "scrape_sample_limit"};
  return name.starts_with("tocsin_") ||
         std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

}  // namespace tocsin::lint
