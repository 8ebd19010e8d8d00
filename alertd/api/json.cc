#include "alertd/api/json.h"

#include <fmt/core.h>
#include <fmt/format.h>

#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <iterator>
#include <variant>

#include "common/base/strings.h"
#include "common/net/http_text.h"

namespace tocsin::api {
namespace {

void append_time(std::string& out, std::int64_t timestamp_ms) {
  if (timestamp_ms < 0) out += '-';
  const std::uint64_t size = timestamp_ms < 0 ? 0 - static_cast<std::uint64_t>(timestamp_ms)
                                              : static_cast<std::uint64_t>(timestamp_ms);
  fmt::format_to(std::back_inserter(out), "{}", size / 1000);
  if (size % 1000 != 0) fmt::format_to(std::back_inserter(out), ".{:03}", size % 1000);
}

void append_point(std::string& out, const model::Sample& sample) {
  out += '[';
  append_time(out, sample.timestamp_ms);
  out += ",\"";
  out += base::format_double(sample.value);
  out += "\"]";
}

/// Writes a result; stops once it is longer than allowed.
class ResultWriter {
 public:
  explicit ResultWriter(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  void operator()(const promql::Vector& vector) {
    out += "\"vector\",\"result\":[";
    for (std::size_t i = 0; i < vector.size() && fits(); ++i) {
      out += i == 0 ? "{\"metric\":" : ",{\"metric\":";
      out += labels_text(vector[i].labels);
      out += ",\"value\":";
      append_point(out, vector[i].sample);
      out += '}';
    }
    out += ']';
  }

  void operator()(const promql::Matrix& matrix) {
    out += "\"matrix\",\"result\":[";
    for (std::size_t i = 0; i < matrix.size() && fits(); ++i) {
      out += i == 0 ? "{\"metric\":" : ",{\"metric\":";
      out += labels_text(matrix[i].labels);
      out += ",\"values\":[";
      bool first = true;
      for (const model::Sample& sample : matrix[i].samples) {
        if (!first) out += ',';
        first = false;
        append_point(out, sample);
      }
      out += "]}";
    }
    out += ']';
  }

  void operator()(const promql::Scalar& scalar) {
    out += "\"scalar\",\"result\":";
    append_point(out, scalar.sample);
  }

  void operator()(const promql::String& text) {
    out += "\"string\",\"result\":[";
    append_time(out, text.timestamp_ms);
    out += ',' + net::json_string(text.value) + ']';
  }

  bool fits() const { return out.size() <= bytes_max_; }

  std::string out = "{\"resultType\":";

 private:
  std::size_t bytes_max_;
};

struct ErrorShape {
  int status;
  std::string_view type;
};

ErrorShape shape_of(base::ErrorCode code, int invalid) {
  switch (code) {
    case base::ErrorCode::InvalidArgument:
    case base::ErrorCode::LimitExceeded:
      return {invalid, invalid == 422 ? "execution" : "bad_data"};
    case base::ErrorCode::NotFound:
      return {404, "not_found"};
    case base::ErrorCode::PermissionDenied:
      return {403, "forbidden"};
    case base::ErrorCode::Unavailable:
      return {503, "unavailable"};
    case base::ErrorCode::Timeout:
      return {503, "timeout"};
    case base::ErrorCode::Cancelled:
      return {503, "canceled"};
    case base::ErrorCode::Corruption:
    case base::ErrorCode::Io:
      return {500, "internal"};
  }
  return {500, "internal"};
}

}  // namespace

net::ServerResponse success(std::string_view data, const Notes& notes) {
  net::ServerResponse response;
  response.body = "{\"status\":\"success\",\"data\":";
  response.body += data;
  if (!notes.warnings.empty()) response.body += ",\"warnings\":" + strings_text(notes.warnings);
  if (!notes.infos.empty()) response.body += ",\"infos\":" + strings_text(notes.infos);
  response.body += "}\n";
  return response;
}

net::ServerResponse success(const boost::json::value& data) {
  return success(boost::json::serialize(data));
}

net::ServerResponse plain_text(int status, std::string text) {
  net::ServerResponse response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(text);
  return response;
}

net::ServerResponse failure(const base::Error& error, int invalid) {
  const ErrorShape shape = shape_of(error.code, invalid);
  return net::error_response(shape.status, shape.type, error.message);
}

net::ServerResponse bad_data(std::string_view message) {
  return net::error_response(400, "bad_data", message);
}

base::Result<std::string> query_data(const promql::QueryResult& result, std::size_t bytes_max,
                                     std::string_view stats) {
  ResultWriter writer(bytes_max);
  std::visit(writer, result.value);
  if (!writer.fits()) {
    return base::error(
        base::ErrorCode::LimitExceeded,
        fmt::format("the answer has more than {} bytes; ask for fewer series, a shorter range or a "
                    "longer step",
                    bytes_max));
  }
  if (!stats.empty()) writer.out.append(",\"stats\":").append(stats);
  return std::move(writer.out) + '}';
}

std::string labels_text(const model::Labels& labels) {
  std::string out = "{";
  for (const model::LabelView label : labels) {
    if (out.size() > 1) out += ',';
    out += net::json_string(label.name) + ':' + net::json_string(label.value);
  }
  return out + '}';
}

std::string strings_text(const std::vector<std::string>& strings) {
  std::string out = "[";
  for (const std::string& text : strings) {
    if (out.size() > 1) out += ',';
    out += net::json_string(text);
  }
  return out + ']';
}

boost::json::object labels_json(const model::Labels& labels) {
  boost::json::object object;
  for (const model::LabelView label : labels) object[clean(label.name)] = clean(label.value);
  return object;
}

std::string clean(std::string_view text) {
  if (base::is_utf8(text)) return std::string(text);
  std::string out;
  while (!text.empty()) {
    std::size_t length = 1;
    while (length <= 4 && length <= text.size() && !base::is_utf8(text.substr(0, length))) ++length;
    if (length > 4 || length > text.size()) {
      out += "\xEF\xBF\xBD";
      length = 1;
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return out;
}

std::string alert_value(double value) {
  if (!std::isfinite(value)) return base::format_double(value);
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  return std::string(buffer, end.ptr);
}

}  // namespace tocsin::api
