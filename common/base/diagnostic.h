// A compiler-style message about a file that a person wrote: where, what, why, what to do.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tocsin::base {

enum class DiagnosticSeverity { Error, Warning };

/// One message. Lines and columns count from 1; columns count bytes; 0 means unknown.
struct Diagnostic {
  DiagnosticSeverity severity = DiagnosticSeverity::Error;
  std::string file;
  std::size_t line = 0;
  std::size_t column = 0;
  std::string message;  ///< Starts lower case; no full stop.
  std::string hint;     ///< What to do; empty for none.
};

using Diagnostics = std::vector<Diagnostic>;

/// Returns whether one of them is an error.
bool has_errors(const Diagnostics& diagnostics);

/// Returns "file:line:column: error: message", then the source line with a caret under the column,
/// then "hint: ...". `source` is the whole text of the file; empty for no excerpt. Ends with a line
/// end.
std::string render(const Diagnostic& diagnostic, std::string_view source);

/// Line and column of a byte position.
struct Position {
  std::size_t line = 1;
  std::size_t column = 1;
};

/// Returns where byte `offset` of `text` is; the end if it is beyond.
Position position_of(std::string_view text, std::size_t offset);

}  // namespace tocsin::base
