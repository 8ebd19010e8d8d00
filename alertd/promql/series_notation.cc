#include "alertd/promql/series_notation.h"

#include <fmt/core.h>

#include <charconv>

#include "alertd/promql/parser.h"
#include "common/base/strings.h"
#include "common/base/time.h"
#include "common/model/sample.h"

namespace tocsin::promql {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

base::Error bad_item(std::string_view item) {
  return base::error(
      base::ErrorCode::InvalidArgument,
      fmt::format("bad value '{}': expected such as 1, _, 0+10x5, _x3 or stale", item));
}

// Takes a number from the front, sign included; nullopt if there is none. `x` never belongs to it.
std::optional<double> take_number(std::string_view& text) {
  std::size_t length = 0;
  double sign = 1;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    sign = text[0] == '-' ? -1 : 1;
    text.remove_prefix(1);
  }
  const std::string word = base::to_lower(text.substr(0, 3));
  if (word == "inf" || word == "nan") {
    text.remove_prefix(3);
    return sign * *base::parse_double(word);
  }
  while (length < text.size() && (is_digit(text[length]) || text[length] == '.')) ++length;
  if (length == 0) return std::nullopt;
  if (length < text.size() && (text[length] == 'e' || text[length] == 'E')) {
    ++length;
    if (length < text.size() && (text[length] == '+' || text[length] == '-')) ++length;
    while (length < text.size() && is_digit(text[length])) ++length;
  } else if (length < text.size() && is_letter(text[length]) && text[length] != 'x') {
    while (length < text.size() && text[length] != 'x' &&
           (is_digit(text[length]) || is_letter(text[length]))) {
      ++length;
    }
    const auto duration = base::parse_duration(text.substr(0, length));
    if (!duration) return std::nullopt;
    text.remove_prefix(length);
    return sign * static_cast<double>(duration->count()) / 1000.0;
  }
  const auto value = base::parse_double(text.substr(0, length));
  if (!value) return std::nullopt;
  text.remove_prefix(length);
  return sign * *value;
}

// Takes "xN"; nullopt if it is not there.
std::optional<std::size_t> take_times(std::string_view& text) {
  if (text.empty() || text[0] != 'x') return std::nullopt;
  const auto times = base::parse_u64(text.substr(1));
  if (!times) return std::nullopt;
  text = {};
  return *times;
}

base::Result<void> append_item(std::string_view item, std::vector<std::optional<double>>& values) {
  const auto room = [&](std::size_t more) -> base::Result<void> {
    if (more <= kNotationValuesMax - std::min(values.size(), kNotationValuesMax)) return base::ok();
    return base::error(base::ErrorCode::LimitExceeded,
                       fmt::format("series has more than {} values", kNotationValuesMax));
  };
  std::string_view rest = item;
  if (item == "stale") {
    values.emplace_back(model::stale_marker());
    return base::ok();
  }
  if (rest[0] == '_') {
    rest.remove_prefix(1);
    std::size_t times = 1;
    if (!rest.empty()) {
      const auto given = take_times(rest);
      if (!given) return bad_item(item);
      times = *given;
    }
    TC_TRY(room(times));
    values.insert(values.end(), times, std::nullopt);
    return base::ok();
  }
  const auto first = take_number(rest);
  if (!first) return bad_item(item);
  if (rest.empty()) {
    TC_TRY(room(1));
    values.emplace_back(*first);
    return base::ok();
  }
  double delta = 0;
  if (rest[0] == '+' || rest[0] == '-') {
    const auto given = take_number(rest);
    if (!given) return bad_item(item);
    delta = *given;
  }
  const auto times = take_times(rest);
  if (!times) return bad_item(item);
  TC_TRY(room(*times));
  double value = *first;
  for (std::size_t i = 0; i <= *times; ++i) {
    values.emplace_back(value);
    value += delta;
  }
  return base::ok();
}

}  // namespace

base::Result<std::vector<std::optional<double>>> parse_values(std::string_view text) {
  std::vector<std::optional<double>> values;
  if (text.find("{{") != std::string_view::npos) {
    return base::error(base::ErrorCode::InvalidArgument, "native histograms are not supported yet");
  }
  for (const std::string_view item : base::split_fields(text)) TC_TRY(append_item(item, values));
  return values;
}

base::Result<NotedSeries> parse_noted_series(std::string_view line) {
  NotedSeries series;
  std::size_t length = 0;
  line = base::trim(line);
  TC_TRY(series.labels, parse_series(line, length));
  const std::string_view rest = line.substr(length);
  if (!rest.empty() && rest[0] != ' ' && rest[0] != '\t') {
    return base::error(base::ErrorCode::InvalidArgument, "a space must follow the series");
  }
  TC_TRY(series.values, parse_values(rest));
  return series;
}

}  // namespace tocsin::promql
