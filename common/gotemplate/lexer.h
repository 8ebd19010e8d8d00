// Template text to tokens.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace tocsin::gotemplate {

enum class TokenKind {
  Text,        ///< Outside of actions, trimmed as the markers ask.
  LeftDelim,   ///< {{ or {{-
  RightDelim,  ///< }} or -}}
  Space,       ///< Between words of an action; ".a .b" differs from ".a.b".
  Word,        ///< Keyword, function name, true, false, nil.
  Field,       ///< ".name", text without the dot
  Dot,
  Variable,  ///< "$" or "$name", with the $
  Number,
  Character,  ///< 'x', as written
  String,     ///< "...", as written
  RawString,  ///< `...`, as written
  Pipe,
  LeftParen,
  RightParen,
  Declare,  ///< :=
  Assign,   ///< =
  Comma,
  End,
};

struct Token {
  TokenKind kind;
  std::size_t offset;  ///< In the template's text, for messages.
  std::string_view text;
};

/// Splits a template. The tokens point into `text`; the last one is End.
/// Errors: InvalidArgument ("line:column: ...").
base::Result<std::vector<Token>> lex(std::string_view text);

/// Decodes a Go string, raw string or character constant, quotes included.
base::Result<std::string> unquote(std::string_view text);

/// Returns InvalidArgument with "line:column: message".
base::Error error_at(std::string_view text, std::size_t offset, std::string_view message);

}  // namespace tocsin::gotemplate
