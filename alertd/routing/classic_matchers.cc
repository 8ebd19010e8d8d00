#include "alertd/routing/classic_matchers.h"

#include <fmt/format.h>

#include "alertd/routing/matcher_text.h"
#include "common/base/strings.h"

namespace tocsin::routing {

using base::ErrorCode;
using base::Result;

namespace {

base::Error invalid(std::string message) {
  return base::error(ErrorCode::InvalidArgument, std::move(message));
}

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

std::string_view trim_left(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  return text;
}

std::string_view trim_right(std::string_view text) {
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

/// Splits at commas outside quotes. A piece of nothing but white space at the end is no piece.
std::vector<std::string_view> split_outside_quotes(std::string_view text) {
  std::vector<std::string_view> pieces;
  bool quoted = false;
  bool escaped = false;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ',' && !quoted) {
      pieces.push_back(text.substr(begin, i - begin));
      begin = i + 1;
      continue;
    }
    if (c == '"' && !escaped) quoted = !quoted;
    escaped = c == '\\' && !escaped;
  }
  const std::string_view last = trim_right(trim_left(text.substr(begin)));
  if (!last.empty()) pieces.push_back(last);
  return pieces;
}

Result<std::string> unescape(std::string_view raw) {
  const std::string_view whole = raw;
  const auto stray = [whole] {
    return invalid(fmt::format("matcher value contains unescaped double quote: {}", whole));
  };
  const bool opened = raw.starts_with('"');
  bool closed = false;
  if (opened) raw.remove_prefix(1);
  std::string value;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const char c = raw[i];
    const bool last = i + 1 == raw.size();
    if (c == '\\' && !last) {
      const char next = raw[++i];
      if (next == 'n') {
        value += '\n';
      } else {
        if (next != '"' && next != '\\') value += '\\';  // a backslash that escapes nothing
        value += next;
      }
    } else if (c == '"') {
      if (!opened || !last) return stray();
      closed = true;
    } else {
      value += c;
    }
  }
  if (opened && !closed) return stray();
  return value;
}

Result<model::Matcher> parse_one(std::string_view text) {
  const std::string_view whole = text;
  text = trim_left(text);
  std::size_t end = 0;
  while (end < text.size() && (model::is_legacy_metric_name(text.substr(0, end + 1)))) ++end;
  const std::string_view name = text.substr(0, end);
  text = trim_left(text.substr(end));
  using Op = std::pair<std::string_view, model::MatchOp>;
  for (const auto& [sign, op] :
       {Op{"=~", model::MatchOp::Regex}, Op{"!~", model::MatchOp::NotRegex},
        Op{"!=", model::MatchOp::NotEqual}, Op{"=", model::MatchOp::Equal}}) {
    if (name.empty() || !text.starts_with(sign)) continue;
    const std::string_view raw = trim_right(trim_left(text.substr(sign.size())));
    if (!base::is_utf8(raw)) return invalid("matcher value is not valid UTF-8");
    TC_TRY(std::string value, unescape(raw));
    return model::Matcher::make(op, std::string(name), std::move(value));
  }
  return invalid(fmt::format("bad matcher format: {}", whole));
}

}  // namespace

Result<std::vector<model::Matcher>> parse_classic_matchers(std::string_view text) {
  if (text.starts_with('{')) text.remove_prefix(1);
  if (text.ends_with('}')) text.remove_suffix(1);
  std::vector<model::Matcher> matchers;
  for (const std::string_view piece : split_outside_quotes(text)) {
    TC_TRY(auto matcher, parse_one(piece));
    matchers.push_back(std::move(matcher));
  }
  return matchers;
}

Result<ReadMatchers> parse_alertmanager_matchers(std::string_view text, MatcherMode mode,
                                                 std::size_t* error_offset) {
  ReadMatchers read;
  if (mode == MatcherMode::Utf8Strict) {
    TC_TRY(read.matchers, parse_matchers(text, error_offset));
    return read;
  }
  auto classic = parse_classic_matchers(text);
  if (mode == MatcherMode::Classic) {
    if (!classic) return classic.error();
    read.matchers = std::move(*classic);
    return read;
  }
  std::size_t offset = 0;
  auto utf8 = parse_matchers(text, &offset);
  if (!utf8 && !classic) {
    if (error_offset) *error_offset = offset;
    return classic.error();
  }
  if (!classic) {
    read.matchers = std::move(*utf8);
    return read;
  }
  if (!utf8) {
    read.warning = fmt::format("'{}' will not be read by a later Alertmanager: {}", text,
                               utf8.error().message);
  } else if (*utf8 != *classic) {
    read.warning = fmt::format(
        "'{}' means something else to a later Alertmanager; put the value in double quotes", text);
  }
  read.matchers = std::move(*classic);
  return read;
}

}  // namespace tocsin::routing
