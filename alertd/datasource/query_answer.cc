#include "alertd/datasource/query_answer.h"

#include <fmt/core.h>

#include <boost/json/basic_parser_impl.hpp>
#include <cmath>
#include <optional>

#include "common/base/strings.h"

namespace tocsin::datasource {
namespace {

namespace json = boost::json;

constexpr std::size_t kErrorBytesMax = 300;

/// Keeps what the parser meets. Only the path to a value decides what it means: .isPartial,
/// .data.result[].metric.<label>, .data.result[].values[][0|1], .data.result[].value[0|1].
class Reader {
 public:
  static constexpr std::size_t max_object_size = std::size_t(-1);
  static constexpr std::size_t max_array_size = std::size_t(-1);
  static constexpr std::size_t max_key_size = std::size_t(-1);
  static constexpr std::size_t max_string_size = std::size_t(-1);

  QueryAnswer answer;
  std::string status;
  std::string error_type, error;
  std::string wrong;  ///< The first value that is no number.

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code&) {
    if (at_series()) begin_series();
    return push();
  }
  bool on_object_end(std::size_t, json::error_code&) {
    pop();
    if (at_series()) end_series();
    return true;
  }
  bool on_array_begin(json::error_code&) {
    point_time_.reset();
    return push();
  }
  bool on_array_end(std::size_t, json::error_code&) {
    pop();
    return true;
  }
  bool on_key_part(json::string_view part, std::size_t, json::error_code&) {
    append(path_.back(), part);
    return true;
  }
  bool on_key(json::string_view part, std::size_t, json::error_code&) {
    append(path_.back(), part);
    fresh_key_ = true;
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t, json::error_code&) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool on_string(json::string_view part, std::size_t, json::error_code&) {
    if (text_.empty()) {
      take_text({part.data(), part.size()});
    } else {
      text_.append(part.data(), part.size());
      take_text(text_);
      text_.clear();
    }
    return true;
  }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t number, json::string_view, json::error_code&) {
    return take_number(static_cast<double>(number));
  }
  bool on_uint64(std::uint64_t number, json::string_view, json::error_code&) {
    return take_number(static_cast<double>(number));
  }
  bool on_double(double number, json::string_view, json::error_code&) {
    return take_number(number);
  }
  bool on_bool(bool value, json::error_code&) {
    if (path_.size() == 1 && key(0) == "isPartial") answer.partial = value;
    return true;
  }
  bool on_null(json::error_code&) { return true; }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

 private:
  // One entry an open object or array: the key under which the next value stands; empty in arrays.
  std::string_view key(std::size_t depth) const { return path_[depth]; }
  bool push() {
    path_.emplace_back();
    return true;
  }
  void pop() { path_.pop_back(); }
  void append(std::string& key, json::string_view part) {
    if (fresh_key_) key.clear();
    fresh_key_ = false;
    key.append(part.data(), part.size());
  }
  bool at_series() const { return path_.size() == 3 && in_data() && key(1) == "result"; }
  bool in_data() const { return path_.size() >= 2 && key(0) == "data"; }
  bool in_series() const { return path_.size() >= 4 && in_data() && key(1) == "result"; }

  void begin_series() {
    labels_ = {};
    answer.series.emplace_back();
  }
  void end_series() { answer.series.back().labels = labels_.build(); }

  bool take_number(double number) {
    point_time_ = std::llround(number * 1000);
    return true;
  }
  void take_text(std::string_view text) {
    if (path_.size() == 1) {
      if (key(0) == "status") status = text;
      if (key(0) == "errorType") error_type = text;
      if (key(0) == "error") error = text;
    } else if (path_.size() == 2 && (key(0) == "warnings" || key(0) == "infos")) {
      answer.warnings.emplace_back(text);
    } else if (path_.size() == 2 && in_data() && key(1) == "resultType") {
      answer.type = text;
    } else if (path_.size() == 3 && in_data() && key(1) == "result") {
      take_scalar(text);
    } else if (in_series() && key(3) == "metric" && path_.size() == 5) {
      labels_.set(key(4), text);
    } else if (in_series() && (key(3) == "values" || key(3) == "value")) {
      take_point(text);
    }
  }
  void take_scalar(std::string_view text) {
    if (answer.type == "string") return;
    answer.series.emplace_back();
    take_point(text);
  }
  void take_point(std::string_view text) {
    const auto value = base::parse_double(text);
    if (!value || !point_time_) {
      if (wrong.empty()) wrong = text;
      return;
    }
    answer.series.back().samples.push_back({*point_time_, *value});
  }

  std::vector<std::string> path_;
  bool fresh_key_ = true;
  std::string text_;
  model::LabelsBuilder labels_;
  std::optional<std::int64_t> point_time_;
};

json::parse_options parse_options() {
  json::parse_options options;
  options.max_depth = 16;
  return options;
}

}  // namespace

promql::Vector QueryAnswer::vector() const {
  promql::Vector vector;
  vector.reserve(series.size());
  for (const promql::MatrixSeries& one : series) {
    if (!one.samples.empty()) vector.push_back({one.labels, one.samples.back()});
  }
  return vector;
}

std::size_t QueryAnswer::points() const {
  std::size_t points = 0;
  for (const promql::MatrixSeries& one : series) points += one.samples.size();
  return points;
}

base::Result<QueryAnswer> read_query_answer(std::string_view body) {
  json::basic_parser<Reader> parser(parse_options());
  json::error_code error;
  const std::size_t read = parser.write_some(false, body.data(), body.size(), error);
  Reader& reader = parser.handler();
  if (!error && read < body.size() && !base::trim(std::string_view(body).substr(read)).empty()) {
    error = json::error::extra_data;
  }
  if (error) {
    return base::error(base::ErrorCode::Corruption,
                       fmt::format("the answer is not JSON: {} at byte {}", error.message(), read));
  }
  if (reader.status != "success" || reader.answer.type.empty()) {
    return base::error(base::ErrorCode::Corruption,
                       "the answer is not that of a Prometheus query API: no status or resultType");
  }
  if (!reader.wrong.empty()) {
    return base::error(base::ErrorCode::Corruption,
                       fmt::format("the answer has the value '{}', which is no number",
                                   base::escape_control(reader.wrong.substr(0, 80))));
  }
  return std::move(reader.answer);
}

std::string read_query_error(std::string_view body) {
  json::basic_parser<Reader> parser(parse_options());
  json::error_code error;
  parser.write_some(false, body.data(), body.size(), error);
  const Reader& reader = parser.handler();
  if (error || reader.error.empty()) return {};
  std::string text = reader.error_type;
  if (!text.empty()) text += ": ";
  return (text + reader.error).substr(0, kErrorBytesMax);
}

std::string api_time(base::WallTime time) {
  const std::int64_t ms = base::to_ms(time);
  if (ms < 0) return base::format_double(static_cast<double>(ms) / 1000);
  return fmt::format("{}.{:03}", ms / 1000, ms % 1000);
}

}  // namespace tocsin::datasource
