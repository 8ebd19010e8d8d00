// A parsed template.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/gotemplate/template.h"

namespace tocsin::gotemplate {

enum class NodeKind {
  // Statements.
  Text,     ///< text
  Action,   ///< children[0]: Pipe
  If,       ///< children[0]: Pipe; body; otherwise
  Range,    ///< the same
  With,     ///< the same
  Include,  ///< {{template "text" pipe}}; children: at most one Pipe
  Break,
  Continue,
  // Expressions.
  Pipe,     ///< names: variables set; children: Command
  Command,  ///< children: operands
  Dot,
  Nil,
  Field,     ///< names
  Variable,  ///< text, then fields in names
  Chain,     ///< children[0], then fields in names
  Call,      ///< a function by its name: text
  Constant,  ///< constant
};

struct Node {
  NodeKind kind = NodeKind::Text;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  bool declares = false;  ///< Pipe: := rather than =.
  bool has_otherwise = false;
  std::string text;
  std::vector<std::string> names;
  Value constant;
  std::vector<Node> children;
  std::vector<Node> body;
  std::vector<Node> otherwise;
};

struct Template::Tree {
  std::vector<Node> main;
  std::map<std::string, std::vector<Node>> definitions;
};

/// Parses `text` into `tree`; a later definition of the same name wins.
/// Errors: InvalidArgument ("line:column: ...").
base::Result<void> parse_into(std::string_view text, const Functions& functions,
                              Template::Tree& tree);

/// Returns whether the name is a function of the language itself.
bool is_builtin(std::string_view name);

}  // namespace tocsin::gotemplate
