#include "alertd/api/alertmanager_ingest.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>

#include "common/base/strings.h"

namespace tocsin::api {
namespace {

namespace json = boost::json;
using base::Result;

constexpr std::size_t kErrorsMax = 100;

base::Error bad(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

std::string_view view_of(const json::string& text) {
  return {text.data(), text.size()};
}

/// Go's zero time, which its clients send for "not set".
bool is_zero(base::WallTime time) {
  return time <= base::wall_time(-62'135'596'800'000);
}

class Reader {
 public:
  explicit Reader(const IngestOptions& options) : options_(options) {}

  Result<model::Alert> read(const json::value& value) {
    const json::object* object = value.if_object();
    if (!object) return bad("an alert must be an object");
    model::Alert alert;
    bytes_ = 0;
    TC_TRY(alert.labels, set_of(*object, "labels"));
    if (alert.labels.empty()) return bad("at least one label pair required");
    TC_TRY(alert.annotations, set_of(*object, "annotations"));
    TC_TRY(const std::optional<base::WallTime> starts, time_of(*object, "startsAt"));
    TC_TRY(const std::optional<base::WallTime> ends, time_of(*object, "endsAt"));
    alert.starts_at = starts.value_or(ends.value_or(options_.now));
    alert.ends_at = ends;
    alert.valid_until = ends.value_or(options_.now + options_.resolve_timeout);
    alert.updated_at = options_.now;
    if (ends && *ends < alert.starts_at) return bad("start time must be before end time");
    if (const json::value* url = object->if_contains("generatorURL")) {
      if (!url->is_string() && !url->is_null()) return bad("'generatorURL' must be a text");
      if (url->is_string()) alert.generator_url = view_of(url->get_string());
      if (alert.generator_url.size() > options_.limits.value_bytes_max) {
        return bad(fmt::format("'generatorURL' is {} bytes, limit {}", alert.generator_url.size(),
                               options_.limits.value_bytes_max));
      }
    }
    alert.severity =
        model::import_severity(alert.labels.get("severity")).value_or(options_.severity_default);
    return alert;
  }

 private:
  Result<model::Labels> set_of(const json::object& object, std::string_view field) {
    const json::value* value = object.if_contains(field);
    if (!value || value->is_null()) return model::Labels();
    const json::object* pairs = value->if_object();
    if (!pairs) return bad(fmt::format("'{}' must be an object of texts", field));
    if (pairs->size() > options_.limits.labels_max) {
      return bad(fmt::format("{} {}, limit {}", pairs->size(), field, options_.limits.labels_max));
    }
    set_.clear();
    for (const auto& pair : *pairs) {
      const json::string* text = pair.value().if_string();
      const std::string_view name(pair.key().data(), pair.key().size());
      if (!text) return bad(fmt::format("'{}' of '{}' must be a text", name.substr(0, 200), field));
      TC_TRY(check(field, name, view_of(*text)));
      set_.push_back({name, view_of(*text)});
    }
    std::sort(set_.begin(), set_.end());
    return model::Labels::from_sorted(set_);
  }

  Result<void> check(std::string_view field, std::string_view name, std::string_view value) {
    const AlertLimits& limits = options_.limits;
    if (name.empty()) return bad(fmt::format("invalid {}: a name is empty", field));
    if (name.size() > limits.name_bytes_max) {
      return bad(fmt::format("invalid {}: a name is {} bytes, limit {}", field, name.size(),
                             limits.name_bytes_max));
    }
    if (value.size() > limits.value_bytes_max) {
      return bad(fmt::format("invalid {}: value of '{}' is {} bytes, limit {}", field, name,
                             value.size(), limits.value_bytes_max));
    }
    bytes_ += name.size() + value.size();
    if (bytes_ > limits.alert_bytes_max) {
      return bad(fmt::format("labels and annotations are over {} bytes", limits.alert_bytes_max));
    }
    return base::ok();
  }

  Result<std::optional<base::WallTime>> time_of(const json::object& object,
                                                std::string_view field) {
    const json::value* value = object.if_contains(field);
    if (!value || value->is_null()) return std::optional<base::WallTime>();
    const json::string* text = value->if_string();
    if (!text) return bad(fmt::format("'{}' must be a time as 2026-11-23T14:48:35Z", field));
    if (text->empty()) return std::optional<base::WallTime>();
    // A request's alerts mostly share their times.
    if (view_of(*text) != last_text_) {
      TC_TRY(last_time_, base::parse_rfc3339(view_of(*text)));
      last_text_ = view_of(*text);
    }
    if (is_zero(last_time_)) return std::optional<base::WallTime>();
    return std::optional(last_time_);
  }

  const IngestOptions& options_;
  std::vector<model::LabelView> set_;
  std::size_t bytes_ = 0;
  std::string last_text_;
  base::WallTime last_time_;
};

}  // namespace

Result<PostedAlerts> parse_posted_alerts(std::string_view body, const IngestOptions& options) {
  json::monotonic_resource arena(std::clamp<std::size_t>(body.size() * 2, 4096, 4 << 20));
  json::parse_options parsing;
  parsing.max_depth = 8;
  json::stream_parser parser(json::storage_ptr(&arena), parsing);
  json::error_code failure;
  parser.write(body.data(), body.size(), failure);
  if (!failure) parser.finish(failure);
  if (failure) return bad(fmt::format("parsing alerts body failed: {}", failure.message()));
  const json::value document = parser.release();
  const json::array* items = document.if_array();
  if (!items) return bad("parsing alerts body failed: expected an array of alerts");
  if (items->size() > options.limits.alerts_max) {
    return bad(fmt::format("{} alerts in one request, limit {}", items->size(),
                           options.limits.alerts_max));
  }
  PostedAlerts posted;
  posted.alerts.reserve(items->size());
  Reader reader(options);
  std::size_t failed = 0;
  for (std::size_t i = 0; i < items->size(); ++i) {
    auto alert = reader.read((*items)[i]);
    if (alert) {
      posted.alerts.push_back(std::move(*alert));
    } else if (++failed <= kErrorsMax) {
      posted.errors.push_back(fmt::format("alert {}: {}", i, alert.error().message));
    }
  }
  if (failed > kErrorsMax) posted.errors.push_back(fmt::format("{} more", failed - kErrorsMax));
  return posted;
}

}  // namespace tocsin::api
