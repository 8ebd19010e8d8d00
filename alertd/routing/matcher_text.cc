#include "alertd/routing/matcher_text.h"

#include <fmt/format.h>

#include <cstdint>
#include <optional>

#include "common/base/strings.h"

namespace tocsin::routing {

using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kMatchersMax = 64;

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool is_reserved(char c) {
  return std::string_view("{}!=~,\\\"'`").find(c) != std::string_view::npos;
}

void append_utf8(std::uint32_t code, std::string& out) {
  const auto put = [&out](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::size_t offset() const { return mistake_; }

  Result<std::vector<model::Matcher>> parse() {
    if (!base::is_utf8(text_)) return fail("text is not valid UTF-8");
    std::vector<model::Matcher> matchers;
    skip_space();
    const bool braces = accept('{');
    skip_space();
    while (!at_end() && peek() != '}') {
      if (matchers.size() == kMatchersMax) {
        return base::error(ErrorCode::LimitExceeded,
                           fmt::format("more than {} matchers", kMatchersMax));
      }
      TC_TRY(auto matcher, parse_one());
      matchers.push_back(std::move(matcher));
      skip_space();
      if (!accept(',')) break;
      skip_space();
    }
    if (braces && !accept('}')) return fail("expected ',' or '}' after the matcher");
    if (!braces && !at_end() && peek() == '}') return fail("'}' without '{'");
    skip_space();
    if (!at_end()) return fail("expected ',' between matchers");
    if (matchers.empty() && !braces)
      return fail("expected a matcher such as severity=\"critical\"");
    return matchers;
  }

 private:
  bool at_end() const { return at_ == text_.size(); }
  char peek() const { return text_[at_]; }
  bool accept(char c) {
    if (at_end() || peek() != c) return false;
    ++at_;
    return true;
  }
  void skip_space() {
    while (!at_end() && is_space(peek())) ++at_;
  }

  base::Error fail(std::string message) {
    mistake_ = at_;
    return base::error(ErrorCode::InvalidArgument, std::move(message));
  }

  Result<model::Matcher> parse_one() {
    TC_TRY(std::string name, parse_word("label name"));
    if (name.empty()) return fail("label name is empty");
    skip_space();
    TC_TRY(const model::MatchOp op, parse_operator());
    skip_space();
    const std::size_t value_at = at_;
    TC_TRY(std::string value, parse_word("value"));
    auto matcher = model::Matcher::make(op, std::move(name), std::move(value));
    if (!matcher) mistake_ = value_at;
    return matcher;
  }

  Result<model::MatchOp> parse_operator() {
    if (accept('=')) return accept('~') ? model::MatchOp::Regex : model::MatchOp::Equal;
    if (accept('!')) {
      if (accept('=')) return model::MatchOp::NotEqual;
      if (accept('~')) return model::MatchOp::NotRegex;
      return fail("expected '=' or '~' after '!'");
    }
    return fail("expected =, !=, =~ or !~ after the label name");
  }

  Result<std::string> parse_word(std::string_view what) {
    if (accept('"')) return parse_quoted();
    const std::size_t begin = at_;
    while (!at_end() && !is_space(peek()) && !is_reserved(peek())) ++at_;
    if (at_ == begin) {
      return fail(
          fmt::format("expected a {}{}", what, what == "value" ? "; write \"\" for none" : ""));
    }
    return std::string(text_.substr(begin, at_ - begin));
  }

  Result<std::string> parse_quoted() {
    std::string out;
    while (!at_end()) {
      const char c = text_[at_++];
      if (c == '"') {
        if (!base::is_utf8(out)) return fail("escapes give text that is not valid UTF-8");
        return out;
      }
      if (c == '\n') return fail("line end inside quotes");
      if (c != '\\') {
        out.push_back(c);
        continue;
      }
      TC_TRY(parse_escape(out));
    }
    return fail("missing closing '\"'");
  }

  Result<void> parse_escape(std::string& out) {
    if (at_end()) return fail("missing closing '\"'");
    static constexpr std::string_view kLetters = "abfnrtv\\\"";
    static constexpr std::string_view kBytes = "\a\b\f\n\r\t\v\\\"";
    const char c = text_[at_++];
    if (const std::size_t simple = kLetters.find(c); simple != std::string_view::npos) {
      out.push_back(kBytes[simple]);
      return base::ok();
    }
    if (c == 'x') return parse_number(2, 16, true, out);
    if (c == 'u') return parse_number(4, 16, false, out);
    if (c == 'U') return parse_number(8, 16, false, out);
    --at_;
    if (c >= '0' && c <= '7') return parse_number(3, 8, true, out);
    return fail(fmt::format("unknown escape '\\{}'", c));
  }

  Result<void> parse_number(std::size_t digits, std::uint32_t radix, bool is_byte,
                            std::string& out) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      const std::optional<std::uint32_t> digit = digit_value(radix);
      if (!digit) return fail(fmt::format("expected {} digits in the escape", digits));
      value = value * radix + *digit;
      ++at_;
    }
    if (is_byte) {
      if (value > 0xff) return fail("octal escape over \\377");
      out.push_back(static_cast<char>(value));
      return base::ok();
    }
    if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) {
      return fail("escape names no Unicode character");
    }
    append_utf8(value, out);
    return base::ok();
  }

  std::optional<std::uint32_t> digit_value(std::uint32_t radix) const {
    if (at_end()) return std::nullopt;
    const char c = peek();
    std::uint32_t value = 99;
    if (c >= '0' && c <= '9') value = static_cast<std::uint32_t>(c - '0');
    if (c >= 'a' && c <= 'f') value = static_cast<std::uint32_t>(c - 'a') + 10;
    if (c >= 'A' && c <= 'F') value = static_cast<std::uint32_t>(c - 'A') + 10;
    return value < radix ? std::optional(value) : std::nullopt;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t mistake_ = 0;
};

}  // namespace

Result<std::vector<model::Matcher>> parse_matchers(std::string_view text,
                                                   std::size_t* error_offset) {
  Parser parser(text);
  auto matchers = parser.parse();
  if (!matchers && error_offset) *error_offset = parser.offset();
  return matchers;
}

}  // namespace tocsin::routing
