#include "common/model/matcher.h"

#include <fmt/core.h>
#include <re2/re2.h>

#include <algorithm>

namespace tocsin::model {
namespace {

constexpr std::size_t kPatternBytesMax = 4096;
constexpr std::int64_t kProgramBytesMax = 8 << 20;

}  // namespace

std::string_view to_string(MatchOp op) {
  switch (op) {
    case MatchOp::Equal:
      return "=";
    case MatchOp::NotEqual:
      return "!=";
    case MatchOp::Regex:
      return "=~";
    case MatchOp::NotRegex:
      return "!~";
  }
  return "?";
}

Matcher::Matcher(MatchOp op, std::string name, std::string value)
    : op_(op), name_(std::move(name)), value_(std::move(value)) {}

base::Result<Matcher> Matcher::make(MatchOp op, std::string name, std::string value) {
  Matcher matcher(op, std::move(name), std::move(value));
  if (op == MatchOp::Equal || op == MatchOp::NotEqual) return matcher;
  if (matcher.value_.size() > kPatternBytesMax) {
    return base::error(base::ErrorCode::LimitExceeded,
                       fmt::format("pattern for label '{}' is {} bytes, limit {}", matcher.name_,
                                   matcher.value_.size(), kPatternBytesMax));
  }
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_dot_nl(true);  // as Prometheus: the pattern is wrapped in ^(?s:...)$
  options.set_max_mem(kProgramBytesMax);
  auto pattern = std::make_shared<re2::RE2>(matcher.value_, options);
  if (!pattern->ok()) {
    return base::error(base::ErrorCode::InvalidArgument,
                       fmt::format("bad regular expression '{}' for label '{}': {}", matcher.value_,
                                   matcher.name_, pattern->error()));
  }
  matcher.pattern_ = std::move(pattern);
  return matcher;
}

Matcher Matcher::equal(std::string name, std::string value) {
  return Matcher(MatchOp::Equal, std::move(name), std::move(value));
}

bool Matcher::matches(std::string_view value) const {
  switch (op_) {
    case MatchOp::Equal:
      return value == value_;
    case MatchOp::NotEqual:
      return value != value_;
    case MatchOp::Regex:
      return re2::RE2::FullMatch(re2::StringPiece(value.data(), value.size()), *pattern_);
    case MatchOp::NotRegex:
      return !re2::RE2::FullMatch(re2::StringPiece(value.data(), value.size()), *pattern_);
  }
  return false;
}

std::string Matcher::to_string() const {
  std::string quoted = "\"";
  for (const char c : value_) {
    if (c == '\n') {
      quoted += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return fmt::format("{}{}{}\"", name_, model::to_string(op_), quoted);
}

bool matches_all(std::span<const Matcher> matchers, const Labels& labels) {
  return std::all_of(matchers.begin(), matchers.end(),
                     [&](const Matcher& m) { return m.matches(labels.get(m.name())); });
}

}  // namespace tocsin::model
