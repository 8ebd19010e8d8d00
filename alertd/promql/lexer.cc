#include "alertd/promql/lexer.h"

#include <fmt/core.h>

#include <cmath>

#include "common/base/strings.h"
#include "common/base/time.h"

namespace tocsin::promql {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void put_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | (code >> 6));
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3f));
    put(0x80 | ((code >> 6) & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

// One-letter escapes; 0 for none. The quote may only be escaped inside its own kind, as in Go.
char simple_escape(char c, char quote_mark) {
  switch (c) {
    case 'a':
      return '\a';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    case '\\':
      return '\\';
    default:
      return c == quote_mark ? c : '\0';
  }
}

// Reads an escape whose backslash is at `i`; leaves `i` behind it. False if it is none.
bool take_escape(std::string_view text, std::size_t& i, char quote_mark, std::string& out) {
  const std::size_t start = i + 1;
  if (start >= text.size()) return false;
  const char kind = text[start];
  if (const char simple = simple_escape(kind, quote_mark); simple != '\0') {
    out += simple;
    i = start + 1;
    return true;
  }
  const bool octal = kind >= '0' && kind <= '7';
  const std::size_t digits = octal ? 3 : kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
  const std::size_t first = octal ? start : start + 1;
  if (digits == 0 || first + digits > text.size()) return false;
  std::uint32_t code = 0;
  for (std::size_t d = 0; d < digits; ++d) {
    const int value = hex_value(text[first + d]);
    if (value < 0 || (octal && value > 7)) return false;
    code = code * (octal ? 8U : 16U) + static_cast<std::uint32_t>(value);
  }
  if (octal || kind == 'x') {
    if (code > 0xff) return false;
    out += static_cast<char>(code);
  } else {
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
    put_utf8(out, code);
  }
  i = first + digits;
  return true;
}

// Digits with single underscores between them; false for "_1", "1_", "1__0".
bool strip_underscores(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
    } else if (i == 0 || i + 1 == text.size() || hex_value(text[i - 1]) < 0 ||
               hex_value(text[i + 1]) < 0) {
      return false;
    }
  }
  return true;
}

std::optional<double> parse_digits(std::string_view digits, double base) {
  double value = 0;
  for (const char c : digits) {
    const int digit = hex_value(c);
    if (digit < 0 || digit >= static_cast<int>(base)) return std::nullopt;
    value = value * base + digit;
  }
  return value;
}

// Go's rules: 0x is hexadecimal, an integer with a leading 0 is octal if all digits are.
std::optional<double> parse_number(std::string_view text) {
  std::string clean;
  if (!strip_underscores(text, clean)) return std::nullopt;
  if (clean.size() > 2 && clean[0] == '0' && (clean[1] == 'x' || clean[1] == 'X')) {
    return parse_digits(std::string_view(clean).substr(2), 16);
  }
  if (clean.size() > 1 && clean[0] == '0') {
    if (const auto octal = parse_digits(std::string_view(clean).substr(1), 8)) return octal;
  }
  if (clean.empty() || (!is_digit(clean[0]) && clean[0] != '.')) return std::nullopt;
  return base::parse_double(clean);
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Tokens run() {
    while (!result_.error) {
      skip_space();
      if (at_ >= text_.size()) break;
      next();
    }
    begin_token();
    push(TokenKind::End, 0);
    return std::move(result_);
  }

 private:
  void skip_space() {
    while (at_ < text_.size()) {
      if (text_[at_] == '#') {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else if (is_space(text_[at_])) {
        if (text_[at_] == '\n') {
          ++line_;
          line_start_ = at_ + 1;
        }
        ++at_;
      } else {
        return;
      }
    }
  }

  void begin_token() {
    location_.begin = at_;
    location_.line = line_;
    location_.column = static_cast<std::uint32_t>(at_ - line_start_ + 1);
  }

  Token& push(TokenKind kind, std::size_t length) {
    Token token;
    token.kind = kind;
    token.location = location_;
    token.location.end = at_ + length;
    token.text = text_.substr(at_, length);
    at_ += length;
    result_.tokens.push_back(std::move(token));
    return result_.tokens.back();
  }

  void fail(std::size_t begin, std::size_t end, std::string message, std::string hint = "") {
    result_.error = ParseError{begin, end, std::move(message), std::move(hint)};
  }

  char peek(std::size_t ahead) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  void next() {
    begin_token();
    const char c = text_[at_];
    if (is_alpha(c) || (c == ':' && !in_brackets_)) return identifier();
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return number();
    if (c == '"' || c == '\'' || c == '`') return string(c);
    symbol(c);
  }

  void identifier() {
    std::size_t length = 1;
    while (is_alpha(peek(length)) || is_digit(peek(length)) ||
           (peek(length) == ':' && !in_brackets_)) {
      ++length;
    }
    push(TokenKind::Identifier, length);
  }

  void number() {
    const bool hex = text_[at_] == '0' && (peek(1) == 'x' || peek(1) == 'X');
    std::size_t length = 1;
    while (true) {
      const char c = peek(length);
      const char last = peek(length - 1);
      const bool sign_of_exponent = !hex && (c == '+' || c == '-') && (last == 'e' || last == 'E');
      if (!is_alpha(c) && !is_digit(c) && c != '.' && !sign_of_exponent) break;
      ++length;
    }
    const std::string_view text = text_.substr(at_, length);
    if (const auto value = parse_number(text)) {
      push(TokenKind::Number, length).number = *value;
      return;
    }
    if (const auto duration = base::parse_duration(text)) {
      push(TokenKind::Duration, length).number = static_cast<double>(duration->count()) / 1000.0;
      return;
    }
    fail(at_, at_ + length, fmt::format("bad number or duration '{}'", text),
         "durations are written with the largest unit first, such as 1h30m");
  }

  void string(char quote_mark) {
    std::size_t length = 1;
    while (at_ + length < text_.size() && text_[at_ + length] != quote_mark) {
      if (text_[at_ + length] == '\n' && quote_mark != '`') break;
      if (text_[at_ + length] == '\\' && quote_mark != '`') ++length;
      ++length;
    }
    if (peek(length) != quote_mark || at_ + length >= text_.size()) {
      return fail(at_, std::min(at_ + length, text_.size()), "string is not closed",
                  fmt::format("a closing {} is missing", quote_mark));
    }
    std::string problem;
    std::size_t where = 0;
    auto value = unquote(text_.substr(at_, length + 1), problem, where);
    if (!value) return fail(at_ + where, at_ + length + 1, std::move(problem));
    const std::string_view raw = text_.substr(at_, length + 1);
    const std::size_t start = at_;
    push(TokenKind::String, length + 1).string = std::move(*value);
    for (std::size_t i = 0; i < raw.size(); ++i) {  // a raw string may span lines
      if (raw[i] != '\n') continue;
      ++line_;
      line_start_ = start + i + 1;
    }
  }

  void symbol(char c) {
    const char second = peek(1);
    switch (c) {
      case '(':
        push(TokenKind::LeftParen, 1);
        return;
      case ')':
        push(TokenKind::RightParen, 1);
        return;
      case '{':
        push(TokenKind::LeftBrace, 1);
        return;
      case '}':
        push(TokenKind::RightBrace, 1);
        return;
      case '[':
        in_brackets_ = true;
        push(TokenKind::LeftBracket, 1);
        return;
      case ']':
        in_brackets_ = false;
        push(TokenKind::RightBracket, 1);
        return;
      case ',':
        push(TokenKind::Comma, 1);
        return;
      case ':':
        push(TokenKind::Colon, 1);
        return;
      case '@':
        push(TokenKind::At, 1);
        return;
      case '+':
        push(TokenKind::Plus, 1);
        return;
      case '-':
        push(TokenKind::Minus, 1);
        return;
      case '*':
        push(TokenKind::Star, 1);
        return;
      case '/':
        push(TokenKind::Slash, 1);
        return;
      case '%':
        push(TokenKind::Percent, 1);
        return;
      case '^':
        push(TokenKind::Caret, 1);
        return;
      case '=':
        if (second == '=') {
          push(TokenKind::Equal, 2);
        } else if (second == '~') {
          push(TokenKind::MatchRegex, 2);
        } else {
          push(TokenKind::Assign, 1);
        }
        return;
      case '!':
        if (second == '=') {
          push(TokenKind::NotEqual, 2);
        } else if (second == '~') {
          push(TokenKind::MatchNotRegex, 2);
        } else {
          fail(at_, at_ + 1, "unexpected '!'", "write != or !~");
        }
        return;
      case '<':
        push(second == '=' ? TokenKind::LessEqual : TokenKind::Less, second == '=' ? 2 : 1);
        return;
      case '>':
        push(second == '=' ? TokenKind::GreaterEqual : TokenKind::Greater, second == '=' ? 2 : 1);
        return;
      default:
        fail(at_, at_ + 1,
             fmt::format("unexpected character '{}'", base::escape_control(std::string(1, c))));
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;
  std::size_t line_start_ = 0;
  bool in_brackets_ = false;
  Location location_;
  Tokens result_;
};

}  // namespace

std::optional<std::string> unquote(std::string_view quoted, std::string& problem, std::size_t& at) {
  if (quoted.size() < 2 || quoted.front() != quoted.back()) {
    problem = "string is not closed";
    return std::nullopt;
  }
  const char mark = quoted[0];
  if (mark == '`') return std::string(quoted.substr(1, quoted.size() - 2));
  const std::string_view inside = quoted.substr(0, quoted.size() - 1);
  std::string out;
  out.reserve(quoted.size());
  for (std::size_t i = 1; i < inside.size();) {
    if (inside[i] != '\\') {
      out += inside[i++];
      continue;
    }
    const std::size_t start = i;
    if (!take_escape(inside, i, mark, out)) {
      at = start;
      problem = fmt::format("bad escape '{}' in string", inside.substr(start, 2));
      return std::nullopt;
    }
  }
  return out;
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  const bool utf8 = base::is_utf8(text);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f || (!utf8 && byte >= 0x80)) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

Tokens tokenize(std::string_view text) {
  return Lexer(text).run();
}

}  // namespace tocsin::promql
