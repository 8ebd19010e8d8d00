#include "common/gotemplate/lexer.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/base/diagnostic.h"
#include "common/gotemplate/format.h"

namespace tocsin::gotemplate {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";
constexpr std::size_t kTokensMax = 200'000;

bool is_space(char c) {
  return kSpaces.find(c) != std::string_view::npos;
}

// Bytes of UTF-8 sequences count as letters.
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  base::Result<std::vector<Token>> run() {
    bool trim_left = false;
    while (at_ < text_.size()) {
      std::size_t open = text_.find("{{", at_);
      const bool action = open != std::string_view::npos;
      if (!action) open = text_.size();
      const bool trim_right = action && text_.substr(open + 2, 1) == "-" &&
                              open + 3 < text_.size() && is_space(text_[open + 3]);
      add_text(at_, open, trim_left, trim_right);
      at_ = open;
      if (!action) break;
      at_ += trim_right ? 3 : 2;
      if (text_.substr(skip_spaces(at_), 2) == "/*" &&
          (trim_right || text_.substr(at_, 2) == "/*")) {
        TC_TRY(trim_left, comment());
      } else {
        add(TokenKind::LeftDelim, open, at_);
        TC_TRY(trim_left, inside());
      }
      if (tokens_.size() > kTokensMax) return fail_at(open, "template is too long");
    }
    add(TokenKind::End, text_.size(), text_.size());
    return std::move(tokens_);
  }

 private:
  base::Error fail_at(std::size_t offset, std::string_view message) const {
    return error_at(text_, offset, message);
  }

  void add(TokenKind kind, std::size_t begin, std::size_t end) {
    tokens_.push_back({kind, begin, text_.substr(begin, end - begin)});
    at_ = end;
  }

  void add_text(std::size_t begin, std::size_t end, bool trim_left, bool trim_right) {
    while (trim_left && begin < end && is_space(text_[begin])) ++begin;
    while (trim_right && begin < end && is_space(text_[end - 1])) --end;
    if (begin < end) add(TokenKind::Text, begin, end);
  }

  std::size_t skip_spaces(std::size_t from) const {
    return std::min(text_.find_first_not_of(kSpaces, from), text_.size());
  }

  // Returns the length of a right delimiter at `from` (0 if none) and whether it trims.
  std::size_t right_delim(std::size_t from, bool& trims) const {
    const std::string_view rest = text_.substr(std::min(from, text_.size()));
    trims = rest.size() >= 4 && is_space(rest[0]) && rest.substr(1, 3) == "-}}";
    if (trims) return 4;
    return rest.starts_with("}}") ? 2 : 0;
  }

  // Returns whether the text after it is trimmed.
  base::Result<bool> comment() {
    const std::size_t open = skip_spaces(at_);
    const std::size_t close = text_.find("*/", open + 2);
    if (close == std::string_view::npos) return fail_at(open, "unclosed comment");
    at_ = close + 2;
    bool trims = false;
    const std::size_t length = right_delim(at_, trims);
    if (length == 0) return fail_at(at_, "comment ends before closing delimiter");
    at_ += length;
    return trims;
  }

  base::Result<bool> inside() {
    const std::size_t open = at_;
    int parens = 0;
    for (;;) {
      bool trims = false;
      if (const std::size_t length = right_delim(at_, trims); length > 0) {
        if (parens > 0) return fail_at(at_, "unclosed left parenthesis");
        add(TokenKind::RightDelim, at_, at_ + length);
        return trims;
      }
      if (at_ >= text_.size()) return fail_at(open, "unclosed action");
      const char c = text_[at_];
      if (c == '(') ++parens;
      if (c == ')' && --parens < 0) return fail_at(at_, "unexpected right parenthesis");
      TC_TRY(token(c));
      if (tokens_.size() > kTokensMax) return fail_at(open, "template is too long");
    }
  }

  base::Result<void> token(char c) {
    const std::size_t begin = at_;
    const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    if (is_space(c)) {
      // A space before "-}}" belongs to the delimiter.
      std::size_t end = skip_spaces(at_);
      bool trims = false;
      if (right_delim(end - 1, trims) == 4) end -= 1;
      if (end > begin) add(TokenKind::Space, begin, end);
      return base::ok();
    }
    if (c == '"') return quoted('"', TokenKind::String, "unterminated quoted string");
    if (c == '\'') return quoted('\'', TokenKind::Character, "unterminated character constant");
    if (c == '`') {
      const std::size_t close = text_.find('`', at_ + 1);
      if (close == std::string_view::npos) return fail_at(begin, "unterminated raw quoted string");
      add(TokenKind::RawString, begin, close + 1);
      return base::ok();
    }
    if (is_digit(c) || ((c == '+' || c == '-') && (is_digit(next) || next == '.')) ||
        (c == '.' && is_digit(next))) {
      return number();
    }
    if (c == '.' || c == '$' || is_word(c)) return word(c);
    if (c == ':' && next == '=') return punctuation(TokenKind::Declare, 2);
    if (c == '=') return punctuation(TokenKind::Assign, 1);
    if (c == ',') return punctuation(TokenKind::Comma, 1);
    if (c == '|') return punctuation(TokenKind::Pipe, 1);
    if (c == '(') return punctuation(TokenKind::LeftParen, 1);
    if (c == ')') return punctuation(TokenKind::RightParen, 1);
    return fail_at(begin, fmt::format("unexpected {} in action", quote(std::string(1, c))));
  }

  base::Result<void> punctuation(TokenKind kind, std::size_t length) {
    add(kind, at_, at_ + length);
    return base::ok();
  }

  base::Result<void> quoted(char close, TokenKind kind, std::string_view complaint) {
    for (std::size_t end = at_ + 1; end < text_.size() && text_[end] != '\n'; ++end) {
      if (text_[end] == '\\') {
        ++end;
      } else if (text_[end] == close) {
        add(kind, at_, end + 1);
        return base::ok();
      }
    }
    return fail_at(at_, complaint);
  }

  base::Result<void> number() {
    std::size_t end = at_ + 1;
    while (end < text_.size() && (is_word(text_[end]) || text_[end] == '.' ||
                                  ((text_[end] == '+' || text_[end] == '-') && is_exponent(end)))) {
      ++end;
    }
    add(TokenKind::Number, at_, end);
    return base::ok();
  }

  // A sign inside a number: only right after the e of a decimal or the p of a hexadecimal.
  bool is_exponent(std::size_t sign) const {
    const char before = static_cast<char>(text_[sign - 1] | 0x20);
    const bool hex = text_.substr(at_, sign - at_).find_first_of("xX") != std::string_view::npos;
    return hex ? before == 'p' : before == 'e';
  }

  base::Result<void> word(char first) {
    std::size_t end = at_ + 1;
    while (end < text_.size() && is_word(text_[end])) ++end;
    TokenKind kind = TokenKind::Word;
    if (first == '.') kind = end == at_ + 1 ? TokenKind::Dot : TokenKind::Field;
    if (first == '$') kind = TokenKind::Variable;
    const char after = end < text_.size() ? text_[end] : ' ';
    const bool ends = is_space(after) ||
                      std::string_view(".,|:()=").find(after) != std::string::npos ||
                      text_.substr(end, 2) == "}}";
    if (!ends) {
      return fail_at(end, fmt::format("bad character {}", quote(std::string(1, after))));
    }
    const std::size_t begin = at_;
    add(kind, begin, end);
    if (kind == TokenKind::Field) tokens_.back().text.remove_prefix(1);
    return base::ok();
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Token> tokens_;
};

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
}

// Reads the escape after a backslash at `at`; false if it is none of Go's.
bool unescape(std::string_view body, std::size_t& at, std::string& out) {
  if (at >= body.size()) return false;
  const char kind = body[at++];
  static constexpr std::string_view kFrom = "abfnrtv\\'\"";
  static constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\'\"";
  if (const std::size_t known = kFrom.find(kind); known != std::string_view::npos) {
    out += kTo[known];
    return true;
  }
  const bool octal = kind >= '0' && kind <= '7';
  const std::size_t digits = octal ? 3 : kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
  if (octal) --at;
  std::int64_t value = 0;
  for (std::size_t i = 0; i < digits; ++i, ++at) {
    const int digit = at < body.size() ? digit_of(body[at]) : 99;
    if (digit >= (octal ? 8 : 16)) return false;
    value = value * (octal ? 8 : 16) + digit;
  }
  if (digits == 0) return false;
  if (octal || kind == 'x') {
    if (value > 255) return false;
    out += static_cast<char>(value);
  } else {
    if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return false;
    append_utf8(out, value);
  }
  return true;
}

}  // namespace

base::Error error_at(std::string_view text, std::size_t offset, std::string_view message) {
  const base::Position at = base::position_of(text, offset);
  return base::error(base::ErrorCode::InvalidArgument,
                     fmt::format("{}:{}: {}", at.line, at.column, message));
}

base::Result<std::vector<Token>> lex(std::string_view text) {
  return Lexer(text).run();
}

base::Result<std::string> unquote(std::string_view text) {
  const std::string_view body = text.substr(1, text.size() - 2);
  std::string out;
  for (std::size_t at = 0; at < body.size();) {
    if (text[0] == '`') {
      if (body[at] != '\r') out += body[at];
      ++at;
    } else if (body[at] != '\\') {
      out += body[at++];
    } else {
      ++at;
      if (!unescape(body, at, out)) {
        return base::error(base::ErrorCode::InvalidArgument, fmt::format("bad escape in {}", text));
      }
    }
  }
  return out;
}

}  // namespace tocsin::gotemplate
