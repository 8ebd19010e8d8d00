// What an HTTP answer must be: status, headers, body, and what its JSON says. Pure.
//
// "200 OK" and a body that says "healthy" prove that somebody answers, nothing more: many health
// pages are a constant. So a probe can ask for what only a living service knows: values at JSON
// paths, bounds for them, and a time that must be recent.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/collectors/probe/probe_result.h"
#include "agent/collectors/probe/text_pattern.h"
#include "common/base/time.h"
#include "common/net/http_client.h"

namespace tocsin::agent {

/// Both inclusive.
struct StatusRange {
  int from = 200;
  int to = 299;
};

/// Parses "200", "2xx" or "200-204". Errors: InvalidArgument.
base::Result<StatusRange> parse_status_range(std::string_view text);

/// One thing that the body's JSON must say. `path`: keys and numbers of elements, "checks.0.state".
struct JsonExpectation {
  enum class Kind {
    Equals,  ///< The value, as text, is `text`.
    Min,     ///< A number, at least `number`.
    Max,     ///< A number, at most `number`.
    Fresh,   ///< A time (RFC 3339, or seconds or milliseconds since 1970) at most `age` old.
  };
  std::string path;
  Kind kind = Kind::Equals;
  std::string text;
  double number = 0;
  base::Duration age{};
};

struct HttpExpectations {
  std::vector<StatusRange> statuses = {StatusRange{}};
  std::map<std::string, TextPattern> headers_match;  ///< Names in lower case.
  std::vector<TextPattern> body_matches;
  std::vector<TextPattern> body_not_matches;
  std::vector<JsonExpectation> json;
};

/// Returns what is not as expected; nothing if all is. `due_to_pattern` (never nullptr) says
/// whether a pattern is why. The detail has paths and patterns, and of values a few words at most.
std::optional<ProbeFailure> check_answer(const HttpExpectations& expectations,
                                         const net::HttpResponse& answer, base::WallTime now,
                                         bool* due_to_pattern);

/// The JSON part. Errors: InvalidArgument (no JSON; or what is not as expected).
base::Result<void> check_json(const std::vector<JsonExpectation>& expectations,
                              std::string_view body, base::WallTime now);

}  // namespace tocsin::agent
