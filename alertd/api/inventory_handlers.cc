#include "alertd/api/inventory_handlers.h"

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <set>

#include "alertd/api/json.h"
#include "alertd/api/parameters.h"

namespace tocsin::api {
namespace {

namespace json = boost::json;

constexpr base::Duration kWindow = std::chrono::hours(24);
constexpr std::size_t kValuesDefault = 50;
constexpr std::size_t kValuesMax = 1000;
/// Of all labels of all metrics together: bounds the answer whatever there is in the store.
constexpr std::size_t kValuesTotalMax = 500'000;
constexpr std::size_t kMetricsMax = 100'000;

/// As Prometheus reads limits of metadata: 0 is none at all, less is no limit.
base::Result<std::optional<std::size_t>> most_parameter(const net::ServerRequest& request,
                                                        const std::string& name) {
  if (request.parameter(name).starts_with('-')) return std::optional<std::size_t>{};
  if (request.parameter(name).empty()) return std::optional<std::size_t>{};
  TC_TRY(const std::size_t count, count_parameter(request, name));
  return std::optional(count);
}

struct LabelUse {
  std::set<std::string, std::less<>> values;
  std::size_t series = 0;
  bool complete = true;
};

json::string_view view(std::string_view text) {
  return {text.data(), text.size()};
}

/// Counts the labels of one metric's series.
class Survey {
 public:
  explicit Survey(std::size_t values_max) : values_max_(values_max) {}

  json::object of(const model::SeriesSet& series) {
    std::map<std::string, LabelUse, std::less<>> labels;
    for (std::size_t i = 0; i < series.size(); ++i) {
      for (const model::LabelView label : series.labels(i)) {
        if (label.name != model::kMetricName) note(label, labels);
      }
    }
    json::object result;
    for (const auto& [name, use] : labels) {
      json::array values;
      for (const std::string& value : use.values) values.emplace_back(clean(value));
      result[clean(name)] = {{"values", std::move(values)},
                             {"complete", use.complete},
                             {"always", use.series == series.size()}};
    }
    return result;
  }

 private:
  void note(const model::LabelView& label, std::map<std::string, LabelUse, std::less<>>& labels) {
    auto at = labels.find(label.name);
    if (at == labels.end()) at = labels.emplace(std::string(label.name), LabelUse{}).first;
    LabelUse& use = at->second;
    ++use.series;
    if (use.values.contains(label.value)) return;
    if (use.values.size() >= values_max_ || total_ >= kValuesTotalMax) {
      use.complete = false;
      return;
    }
    use.values.emplace(label.value);
    ++total_;
  }

  std::size_t values_max_;
  std::size_t total_ = 0;
};

}  // namespace

void InventoryHandlers::metadata(ApiCall call) const {
  const auto limit = most_parameter(call.request, "limit");
  const auto limit_per_metric = most_parameter(call.request, "limit_per_metric");
  if (const auto error = first_error(limit, limit_per_metric)) {
    return call.respond(failure(*error, 400));
  }
  const std::string_view only = call.request.parameter("metric");
  json::object data;
  Notes notes;
  const auto add = [&](const std::string& name, const model::MetadataTable::Entry& entry) {
    if (*limit && data.size() >= **limit) return;
    data[clean(name)] = json::array{{{"type", view(model::to_string(entry.type))},
                                     {"help", clean(entry.help)},
                                     {"unit", clean(entry.unit)}}};
  };
  if (metadata_ != nullptr && !only.empty()) {
    if (const auto entry = metadata_->find(only)) add(std::string(only), *entry);
  } else if (metadata_ != nullptr) {
    for (const auto& [name, entry] : metadata_->entries()) {
      add(name, entry);
    }
  }
  call.respond(success(json::serialize(data), notes));
}

void InventoryHandlers::inventory(ApiCall call) const {
  const base::WallTime now = clock_.wall();
  const auto end = time_parameter(call.request, "end", now);
  const auto begin = time_parameter(call.request, "start", (end ? *end : now) - kWindow);
  const auto values = count_parameter(call.request, "values");
  if (!end || !begin || !values) {
    call.respond(failure(!end ? end.error() : !begin ? begin.error() : values.error(), 400));
    return;
  }
  const std::size_t values_max =
      *values == 0 ? kValuesDefault : std::min<std::size_t>(*values, kValuesMax);
  const auto work = [this, begin_ms = base::to_ms(*begin), end_ms = base::to_ms(*end), now,
                     values_max](const QueryRunner::Cancelled& cancelled) {
    auto names = source_.label_values(model::kMetricName, {});
    if (!names) return failure(names.error(), 422);
    model::MetadataTable::Entries about;
    if (metadata_ != nullptr) about = metadata_->entries();
    const auto type_of = [&](std::string_view family) -> std::optional<model::MetricType> {
      const auto at = about.find(family);
      if (at == about.end()) return std::nullopt;
      return at->second.type;
    };
    Survey survey(values_max);
    Notes notes;
    json::object metrics;
    for (const std::string& name : *names) {
      if (cancelled()) {
        return failure(base::error(base::ErrorCode::Cancelled, "the inventory took too long"), 422);
      }
      if (metrics.size() >= kMetricsMax) {
        notes.warnings.emplace_back("results truncated due to limit");
        break;
      }
      const model::Matcher matcher = model::Matcher::equal(std::string(model::kMetricName), name);
      auto series = source_.select(std::span(&matcher, 1), begin_ms, end_ms, {});
      if (!series) return failure(series.error(), 422);
      if ((*series)->size() == 0) continue;
      metrics[clean(name)] = {{"type", view(model::to_string(model::series_type(name, type_of)))},
                              {"series", (*series)->size()},
                              {"labels", survey.of(**series)}};
    }
    const json::object data{{"format", "tocsin-inventory-1"},
                            {"generated_at", base::format_rfc3339(now)},
                            {"metrics", std::move(metrics)}};
    return success(json::serialize(data), notes);
  };
  runner_.run(runner_.patience(call.request), std::move(call.respond), work);
}

}  // namespace tocsin::api
