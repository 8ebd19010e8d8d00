#include "cli/inventory.h"

#include <fmt/core.h>

#include <boost/json.hpp>
#include <ostream>

#include "alertd/promql/lexer.h"
#include "cli/commands.h"

namespace tocsin::cli {
namespace {

namespace json = boost::json;

base::Error refused(const ApiAnswer& answer) {
  return base::error(answer.exit_code == kUnreachable ? base::ErrorCode::Unavailable
                                                      : base::ErrorCode::InvalidArgument,
                     answer.error);
}

base::Result<std::vector<std::string>> strings_of(const ApiAnswer& answer) {
  if (answer.exit_code != kOk) return refused(answer);
  boost::system::error_code error;
  const json::value value = json::parse(answer.data, error);
  if (error || !value.is_array()) {
    return base::error(base::ErrorCode::InvalidArgument, "the server's list is no JSON array");
  }
  std::vector<std::string> strings;
  for (const json::value& one : value.get_array()) {
    if (one.is_string()) strings.emplace_back(one.get_string());
  }
  return strings;
}

/// Prometheus and its kin: the look-ups of the query API, one after the other.
class GenericFetch {
 public:
  GenericFetch(ApiClient& api, std::size_t values) : api_(api), values_(values) {}

  base::Result<lint::Inventory> run(const std::set<std::string>* wanted) {
    lint::Inventory inventory;
    const auto names = strings_of(api_.call({"GET", "/api/v1/label/__name__/values", {}, ""}));
    if (!names) return names.error();
    TC_TRY(const auto types, metadata());
    const auto type_of = [&](std::string_view family) -> std::optional<model::MetricType> {
      const auto at = types.find(family);
      if (at == types.end()) return std::nullopt;
      return at->second;
    };
    for (const std::string& name : *names) {
      lint::MetricStock& metric = inventory.metrics[name];
      metric.type = model::series_type(name, type_of);
      if (wanted != nullptr && !wanted->contains(name)) continue;
      TC_TRY(labels(name, metric));
    }
    return inventory;
  }

 private:
  using Types = std::map<std::string, model::MetricType, std::less<>>;

  base::Result<Types> metadata() {
    Types types;
    const ApiAnswer answer =
        api_.call({"GET", "/api/v1/metadata", {{"limit_per_metric", "1"}}, ""});
    // Some engines keep none; then types are guessed from names.
    if (answer.exit_code == kUnreachable) return refused(answer);
    boost::system::error_code error;
    const json::value value = json::parse(answer.data, error);
    if (answer.exit_code != kOk || error || !value.is_object()) return types;
    for (const auto& [family, entries] : value.get_object()) {
      if (!entries.is_array() || entries.get_array().empty()) continue;
      const json::value& first = entries.get_array().front();
      const json::value* type =
          first.is_object() ? first.get_object().if_contains("type") : nullptr;
      if (type == nullptr || !type->is_string()) continue;
      const auto parsed = model::parse_metric_type(std::string(type->get_string()));
      if (parsed) types.emplace(std::string(family), *parsed);
    }
    return types;
  }

  base::Result<void> labels(const std::string& name, lint::MetricStock& metric) {
    const std::string selector = "{__name__=" + promql::quote(name) + "}";
    const auto names =
        strings_of(api_.call({"GET", "/api/v1/labels", {{"match[]", selector}}, ""}));
    if (!names) return names.error();
    metric.labels_known = true;
    for (const std::string& label : *names) {
      if (label == model::kMetricName) continue;
      lint::LabelStock& stock = metric.labels[label];
      const auto values =
          strings_of(api_.call({"GET",
                                "/api/v1/label/" + label + "/values",
                                {{"match[]", selector}, {"limit", std::to_string(values_ + 1)}},
                                ""}));
      if (!values) return values.error();
      stock.complete = values->size() <= values_;
      for (const std::string& value : *values) {
        if (stock.values.size() < values_) stock.values.insert(value);
      }
    }
    return base::ok();
  }

  ApiClient& api_;
  std::size_t values_;
};

}  // namespace

base::Result<lint::Inventory> fetch_inventory(ApiClient& api, const std::set<std::string>* wanted,
                                              std::size_t values, const std::string& source) {
  const ApiAnswer ours =
      api.call({"GET", "/api/v1/inventory", {{"values", std::to_string(values)}}, ""});
  if (ours.exit_code == kUnreachable) return refused(ours);
  if (ours.exit_code == kOk) {
    TC_TRY(auto inventory, lint::read_inventory(ours.data, source));
    inventory.of_alertd = true;
    return inventory;
  }
  auto inventory = GenericFetch(api, values).run(wanted);
  if (inventory) inventory->source = source;
  return inventory;
}

int run_inventory(const InventoryOptions& options, Context& context) {
  auto inventory = fetch_inventory(context.api, nullptr, options.values, "the server");
  if (!inventory) {
    context.err << "tocsin: " << printable(inventory.error().message) << '\n';
    return inventory.error().code == base::ErrorCode::Unavailable ? kUnreachable : kNegative;
  }
  if (inventory->generated_at.empty()) {
    inventory->generated_at = base::format_rfc3339(context.clock.wall());
  }
  context.out << lint::write_inventory(*inventory);
  context.err << fmt::format("{} metrics\n", inventory->metrics.size());
  return kOk;
}

}  // namespace tocsin::cli
