// The JSON encoding of OTLP: protobuf's JSON mapping, with 64-bit numbers as texts or numbers.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "agent/collectors/application/otlp_metrics.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

namespace json = boost::json;

const json::object kNoObject;
const json::array kNoArray;

std::string_view view_of(const json::value& text) {
  const json::string& kept = text.get_string();
  return {kept.data(), kept.size()};
}

const json::object& object_at(const json::object& in, std::string_view key) {
  const json::value* found = in.if_contains(key);
  return found != nullptr && found->is_object() ? found->get_object() : kNoObject;
}

const json::array& array_at(const json::object& in, std::string_view key) {
  const json::value* found = in.if_contains(key);
  return found != nullptr && found->is_array() ? found->get_array() : kNoArray;
}

std::string text_at(const json::object& in, std::string_view key) {
  const json::value* found = in.if_contains(key);
  return found != nullptr && found->is_string() ? std::string(view_of(*found)) : std::string();
}

bool flag_at(const json::object& in, std::string_view key) {
  const json::value* found = in.if_contains(key);
  return found != nullptr && found->is_bool() && found->get_bool();
}

/// A number as such or as text: "5", "NaN", "Infinity".
std::optional<double> number_of(const json::value& value) {
  if (value.is_double()) return value.get_double();
  if (value.is_int64()) return static_cast<double>(value.get_int64());
  if (value.is_uint64()) return static_cast<double>(value.get_uint64());
  if (!value.is_string()) return std::nullopt;
  const std::string_view text = view_of(value);
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  return base::parse_double(text);
}

std::optional<double> number_at(const json::object& in, std::string_view key) {
  const json::value* found = in.if_contains(key);
  return found == nullptr ? std::nullopt : number_of(*found);
}

std::uint64_t time_at(const json::object& in, std::string_view key) {
  const json::value* found = in.if_contains(key);
  if (found == nullptr) return 0;
  if (found->is_uint64()) return found->get_uint64();
  if (found->is_int64())
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, found->get_int64()));
  if (found->is_string()) return base::parse_u64(view_of(*found)).value_or(0);
  return 0;
}

bool any_value(const json::object& value, std::string& out) {
  if (const json::value* text = value.if_contains("stringValue"); text && text->is_string()) {
    out = std::string(view_of(*text));
    return true;
  }
  if (const json::value* flag = value.if_contains("boolValue"); flag && flag->is_bool()) {
    out = flag->get_bool() ? "true" : "false";
    return true;
  }
  for (const char* key : {"intValue", "doubleValue"}) {
    if (const auto number = number_at(value, key)) {
      out = base::format_double(*number);
      return true;
    }
  }
  return false;
}

class JsonDecoder {
 public:
  explicit JsonDecoder(const OtlpLimits& limits) : limits_(limits) {}

  base::Result<std::vector<OtlpResource>> run(const json::object& request) {
    std::vector<OtlpResource> resources;
    for (const json::value& one : array_at(request, "resourceMetrics")) {
      if (!one.is_object()) return wrong("resourceMetrics");
      OtlpResource resource;
      TC_TRY(attributes(object_at(one.get_object(), "resource"), resource.attributes));
      for (const json::value& scope : array_at(one.get_object(), "scopeMetrics")) {
        if (!scope.is_object()) return wrong("scopeMetrics");
        for (const json::value& found : array_at(scope.get_object(), "metrics")) {
          if (!found.is_object()) return wrong("metrics");
          TC_TRY(OtlpMetric taken, metric(found.get_object()));
          resource.metrics.push_back(std::move(taken));
        }
      }
      resources.push_back(std::move(resource));
    }
    return resources;
  }

 private:
  static base::Error wrong(std::string_view what) {
    return base::error(base::ErrorCode::InvalidArgument,
                       fmt::format("an entry of {} is no object", what));
  }

  base::Result<OtlpMetric> metric(const json::object& in) {
    OtlpMetric out;
    out.name = text_at(in, "name");
    out.description = text_at(in, "description");
    out.unit = text_at(in, "unit");
    const struct {
      const char* key;
      OtlpKind kind;
    } kinds[] = {{"gauge", OtlpKind::Gauge},
                 {"sum", OtlpKind::Sum},
                 {"histogram", OtlpKind::Histogram},
                 {"exponentialHistogram", OtlpKind::Unsupported},
                 {"summary", OtlpKind::Unsupported}};
    for (const auto& [key, kind] : kinds) {
      if (in.if_contains(key) == nullptr) continue;
      out.kind = kind;
      const json::object& data = object_at(in, key);
      out.monotonic = flag_at(data, "isMonotonic");
      out.delta = number_at(data, "aggregationTemporality") == 1.0 ||
                  text_at(data, "aggregationTemporality") == "AGGREGATION_TEMPORALITY_DELTA";
      TC_TRY(points(array_at(data, "dataPoints"), out));
      break;
    }
    return out;
  }

  base::Result<void> points(const json::array& in, OtlpMetric& out) {
    for (const json::value& one : in) {
      if (++points_ > limits_.points_max) {
        return base::error(base::ErrorCode::LimitExceeded,
                           fmt::format("more than {} data points", limits_.points_max));
      }
      if (out.kind == OtlpKind::Unsupported) {
        ++out.unsupported_points;
        continue;
      }
      if (!one.is_object()) return wrong("dataPoints");
      const json::object& data = one.get_object();
      OtlpPoint point;
      TC_TRY(attributes(data, point.attributes));
      point.time_ns = time_at(data, "timeUnixNano");
      point.no_value = (static_cast<std::uint32_t>(number_at(data, "flags").value_or(0)) & 1U) != 0;
      if (out.kind == OtlpKind::Histogram) {
        read_histogram(data, point.buckets);
      } else {
        const auto real = number_at(data, "asDouble");
        const auto whole = number_at(data, "asInt");
        if (!real && !whole && !point.no_value) {
          return base::error(base::ErrorCode::InvalidArgument,
                             fmt::format("a data point of '{}' has neither asDouble nor asInt",
                                         base::escape_control(out.name)));
        }
        point.value = real ? *real : whole.value_or(0);
      }
      out.points.push_back(std::move(point));
    }
    return base::ok();
  }

  static void read_histogram(const json::object& data, BucketCounts& buckets) {
    const auto sum = number_at(data, "sum");
    buckets.has_sum = sum.has_value();
    buckets.sum = sum.value_or(0);
    constexpr double kWrong = std::numeric_limits<double>::quiet_NaN();  // refused by the store
    for (const json::value& one : array_at(data, "explicitBounds")) {
      buckets.bounds.push_back(number_of(one).value_or(kWrong));
    }
    for (const json::value& one : array_at(data, "bucketCounts")) {
      buckets.counts.push_back(number_of(one).value_or(kWrong));
    }
    if (buckets.counts.empty()) buckets.counts.push_back(number_at(data, "count").value_or(0));
  }

  base::Result<void> attributes(const json::object& in, OtlpAttributes& out) {
    const json::array& list = array_at(in, "attributes");
    if (list.size() > limits_.attributes_max) {
      return base::error(
          base::ErrorCode::LimitExceeded,
          fmt::format("{} attributes, limit {}", list.size(), limits_.attributes_max));
    }
    for (const json::value& one : list) {
      if (!one.is_object()) return wrong("attributes");
      std::string value;
      std::string key = text_at(one.get_object(), "key");
      if (key.empty() || !any_value(object_at(one.get_object(), "value"), value)) continue;
      out.emplace_back(std::move(key), std::move(value));
    }
    return base::ok();
  }

  const OtlpLimits& limits_;
  std::size_t points_ = 0;
};

}  // namespace

base::Result<std::vector<OtlpResource>> decode_otlp_json(std::string_view body,
                                                         const OtlpLimits& limits) {
  boost::system::error_code code;
  const json::value request = json::parse(body, code);
  if (code || !request.is_object()) {
    return base::error(base::ErrorCode::InvalidArgument,
                       "body is no JSON object: " + (code ? code.message() : "another value"));
  }
  return JsonDecoder(limits).run(request.get_object());
}

std::string encode_otlp_answer_json(const OtlpRejected& rejected) {
  if (rejected.points == 0) return "{}";
  const json::object partial{{"rejectedDataPoints", std::to_string(rejected.points)},
                             {"errorMessage", rejected.reason}};
  return json::serialize(json::object{{"partialSuccess", partial}});
}

}  // namespace tocsin::agent
