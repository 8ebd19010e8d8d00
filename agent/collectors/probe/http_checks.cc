#include "agent/collectors/probe/http_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kShownBytesMax = 40;
constexpr std::size_t kDepthMax = 64;
/// Seconds since 1970 reach this in the year 5138; milliseconds did in 1973.
constexpr double kMillisecondsFrom = 1e11;
/// Clocks of two machines are not the same.
constexpr base::Duration kAheadMax{60'000};

std::string shown(std::string_view text) {
  std::string cut(text.substr(0, kShownBytesMax));
  return fmt::format("'{}{}'", base::escape_control(cut), cut.size() < text.size() ? "..." : "");
}

// Numbers as written by hand: 3, 0.5; texts without quotes.
std::string text_of(const boost::json::value& value) {
  if (value.is_string()) return std::string(value.as_string());
  if (value.is_number()) return base::format_double(value.to_number<double>());
  return boost::json::serialize(value);
}

std::optional<double> number_of(const boost::json::value& value) {
  if (value.is_number()) return value.to_number<double>();
  if (value.is_string()) return base::parse_double(std::string_view(value.as_string()));
  return std::nullopt;
}

std::optional<base::WallTime> time_of(const boost::json::value& value) {
  if (const auto number = number_of(value)) {
    const double ms = std::abs(*number) >= kMillisecondsFrom ? *number : *number * 1000;
    if (!(std::abs(ms) < 1e16)) return std::nullopt;
    return base::wall_time(std::llround(ms));
  }
  if (!value.is_string()) return std::nullopt;
  const auto parsed = base::parse_rfc3339(std::string_view(value.as_string()));
  return parsed ? std::optional(*parsed) : std::nullopt;
}

const boost::json::value* find(const boost::json::value& root, std::string_view path) {
  const boost::json::value* at = &root;
  for (const std::string_view key : base::split(path, '.')) {
    if (const auto* object = at->if_object()) {
      at = object->if_contains(key);
    } else if (const auto* array = at->if_array()) {
      const auto number = base::parse_u64(key);
      at = number && *number < array->size() ? &(*array)[*number] : nullptr;
    } else {
      at = nullptr;
    }
    if (at == nullptr) return nullptr;
  }
  return at;
}

Result<void> check_one(const JsonExpectation& wanted, const boost::json::value& root,
                       base::WallTime now) {
  const auto bad = [&](std::string what) {
    return base::error(ErrorCode::InvalidArgument, fmt::format("'{}' {}", wanted.path, what));
  };
  const boost::json::value* value = find(root, wanted.path);
  if (value == nullptr) return bad("is not in the answer");
  const std::string text = text_of(*value);
  switch (wanted.kind) {
    case JsonExpectation::Kind::Equals:
      if (text == wanted.text) return base::ok();
      return bad(fmt::format("is {}, not {}", shown(text), shown(wanted.text)));
    case JsonExpectation::Kind::Min:
    case JsonExpectation::Kind::Max: {
      const auto number = number_of(*value);
      if (!number || std::isnan(*number)) return bad(fmt::format("is no number: {}", shown(text)));
      const bool min = wanted.kind == JsonExpectation::Kind::Min;
      if (min ? *number >= wanted.number : *number <= wanted.number) return base::ok();
      return bad(fmt::format("is {}, which is {} {}", *number, min ? "less than" : "more than",
                             wanted.number));
    }
    case JsonExpectation::Kind::Fresh: {
      const auto time = time_of(*value);
      if (!time) return bad(fmt::format("is no time: {}", shown(text)));
      if (*time > now + kAheadMax) return bad("is a time in the future");
      if (now - *time <= wanted.age) return base::ok();
      return bad(fmt::format("is {} old, which is more than {}", base::format_duration(now - *time),
                             base::format_duration(wanted.age)));
    }
  }
  return base::ok();
}

bool expected_status(const std::vector<StatusRange>& ranges, int status) {
  return std::any_of(ranges.begin(), ranges.end(), [status](const StatusRange& range) {
    return status >= range.from && status <= range.to;
  });
}

std::optional<ProbeFailure> check_patterns(const HttpExpectations& expectations,
                                           const net::HttpResponse& answer) {
  for (const auto& [name, pattern] : expectations.headers_match) {
    const bool any = std::any_of(answer.headers.begin(), answer.headers.end(),
                                 [&, &wanted = name, &re = pattern](const auto& header) {
                                   return header.first == wanted && re.matches(header.second);
                                 });
    if (!any) {
      return failed_probe(ProbeReason::Header,
                          fmt::format("header '{}' does not match '{}'", name, pattern.text()));
    }
  }
  for (const TextPattern& pattern : expectations.body_matches) {
    if (pattern.matches(answer.body)) continue;
    return failed_probe(ProbeReason::Body,
                        fmt::format("the body does not match '{}'", pattern.text()));
  }
  for (const TextPattern& pattern : expectations.body_not_matches) {
    if (!pattern.matches(answer.body)) continue;
    return failed_probe(ProbeReason::Body,
                        fmt::format("the body matches '{}', which it must not", pattern.text()));
  }
  return std::nullopt;
}

}  // namespace

Result<StatusRange> parse_status_range(std::string_view text) {
  const auto number = [](std::string_view digits) -> int {
    const auto value = base::parse_u64(digits);
    return value && *value >= 100 && *value <= 599 ? static_cast<int>(*value) : 0;
  };
  StatusRange range{0, 0};
  const std::size_t dash = text.find('-');
  if (text.size() == 3 && text.ends_with("xx") && text[0] >= '1' && text[0] <= '5') {
    range.from = (text[0] - '0') * 100;
    range.to = range.from + 99;
  } else if (dash != std::string_view::npos) {
    range = {number(text.substr(0, dash)), number(text.substr(dash + 1))};
  } else {
    range = {number(text), number(text)};
  }
  if (range.from == 0 || range.to < range.from) {
    return base::error(ErrorCode::InvalidArgument,
                       fmt::format("'{}' is no status: expected 200, 2xx or 200-204", text));
  }
  return range;
}

Result<void> check_json(const std::vector<JsonExpectation>& expectations, std::string_view body,
                        base::WallTime now) {
  boost::json::error_code code;
  boost::json::parse_options options;
  options.max_depth = kDepthMax;
  const boost::json::value root = boost::json::parse(body, code, {}, options);
  if (code) return base::error(ErrorCode::InvalidArgument, "the body is no JSON");
  for (const JsonExpectation& wanted : expectations) {
    TC_TRY(check_one(wanted, root, now));
  }
  return base::ok();
}

std::optional<ProbeFailure> check_answer(const HttpExpectations& expectations,
                                         const net::HttpResponse& answer, base::WallTime now,
                                         bool* due_to_pattern) {
  *due_to_pattern = false;
  if (!expected_status(expectations.statuses, answer.status)) {
    return failed_probe(ProbeReason::Status, fmt::format("status {}", answer.status));
  }
  if (auto failure = check_patterns(expectations, answer)) {
    *due_to_pattern = true;
    return failure;
  }
  if (expectations.json.empty()) return std::nullopt;
  if (const auto checked = check_json(expectations.json, answer.body, now); !checked) {
    return failed_probe(ProbeReason::Body, checked.error().message);
  }
  return std::nullopt;
}

}  // namespace tocsin::agent
