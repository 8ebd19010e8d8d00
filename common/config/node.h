// One tree for TOML and YAML: values with the place they were written at.
//
// The readers (toml.h, yaml.h) only build this tree; table.h gives the typed reading with errors.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/diagnostic.h"

namespace tocsin::config {

enum class Kind { Null, Boolean, Integer, Float, String, Array, Table };

/// Returns "a string", "a table", ... for messages.
std::string_view describe(Kind kind);

/// How a string was written, which decides how a byte of its value maps to a place in the file.
enum class Style {
  Plain,             ///< YAML without quotes, and every scalar that is no string.
  Basic,             ///< TOML "..."
  MultiLineBasic,    ///< TOML """..."""
  Literal,           ///< TOML '...'
  MultiLineLiteral,  ///< TOML '''...'''
  DoubleQuoted,      ///< YAML "..."
  SingleQuoted,      ///< YAML '...'
  Block,             ///< YAML | and >
};

struct Field;
struct Source;

/// One value. Scalars keep their text as written (YAML scalars are String unless null, and are
/// converted when read; TOML scalars have their own kind, except that dates and times are String).
struct Node {
  Kind kind = Kind::Null;
  Style style = Style::Plain;
  base::Position at;       ///< First character of the value, quotes included.
  base::Position text_at;  ///< First character of a string's content, for positions inside it.
  std::string text;        ///< String content; for other scalars the text as written.
  bool boolean = false;
  std::int64_t integer = 0;
  double number = 0;          ///< Also set for integers.
  std::vector<Node> items;    ///< Array
  std::vector<Field> fields;  ///< Table, in the order written

  /// Returns the field's value or nullptr.
  const Node* find(std::string_view name) const;
};

struct Field {
  std::string name;
  base::Position at;
  Node value;
};

/// A file as it was read.
struct Source {
  std::string file;  ///< As the user named it.
  std::string text;
};

/// Returns where byte `offset` of the string's *value* stands in the file; `offset` may be the
/// length of the value (one past its end). Escapes, folded lines, indentation and line ends are
/// accounted for. Falls back to text_at if the value cannot be found again in `source`. Thread:
/// any.
base::Position position_in(const Node& node, std::size_t offset, const Source& source);

/// Returns the byte offset of a position; the end of the text if it is beyond.
std::size_t offset_of(std::string_view text, base::Position position);

}  // namespace tocsin::config
