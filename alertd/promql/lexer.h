// Cuts the text of an expression into tokens.
//
// Keywords are left as identifiers, because PromQL lets nearly all of them be metric or label
// names: only the parser knows. Inside [ ] a colon separates range and step; elsewhere it belongs
// to a name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alertd/promql/ast.h"
#include "alertd/promql/engine.h"

namespace tocsin::promql {

enum class TokenKind : std::uint8_t {
  End,
  Identifier,
  Number,
  Duration,
  String,
  LeftParen,
  RightParen,
  LeftBrace,
  RightBrace,
  LeftBracket,
  RightBracket,
  Comma,
  Colon,
  At,
  Assign,
  MatchRegex,
  MatchNotRegex,
  Equal,
  NotEqual,
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  Plus,
  Minus,
  Star,
  Slash,
  Percent,
  Caret
};

/// One token; `text` views into the expression's text.
struct Token {
  TokenKind kind = TokenKind::End;
  Location location;
  std::string_view text;
  std::string string;  ///< Decoded value of a String.
  double number = 0;   ///< Value of a Number; seconds of a Duration.
};

/// Tokens, the last one End; or what is wrong.
struct Tokens {
  std::vector<Token> tokens;
  std::optional<ParseError> error;
};

/// Cuts the whole text. A limit on its length is the caller's business.
Tokens tokenize(std::string_view text);

/// Decodes a quoted string with the escapes of Go; `quoted` includes the quotes.
/// Returns nullopt and says why in `problem` and where (bytes from the opening quote) in `at`.
std::optional<std::string> unquote(std::string_view quoted, std::string& problem, std::size_t& at);

/// Returns the text in double quotes, escaped so that unquote() gives it back.
std::string quote(std::string_view text);

}  // namespace tocsin::promql
