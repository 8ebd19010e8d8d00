// What a check has to say, and the list of all checks.
//
// Every check has a stable id: it is what `# tocsin: allow ID` and --allow name, what SARIF calls a
// rule and what docs/checking-rules.md explains. An id is never given a second meaning.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tocsin::lint {

enum class Level { Info, Warning, Error };

/// Returns "info", "warning" or "error".
std::string_view to_string(Level level);

/// One message about one place. Lines and columns count from 1, columns in bytes; 0 is unknown.
struct Finding {
  std::string id;
  Level level = Level::Warning;
  std::string file;
  std::size_t line = 0;
  std::size_t column = 0;
  std::size_t width = 1;  ///< Bytes from `column` that are meant, within the line.
  std::string message;    ///< Starts lower case; no full stop.
  std::string hint;       ///< What to do.
  std::string group;      ///< Of the rule; empty for findings about a file.
  std::string rule;
};

using Findings = std::vector<Finding>;

/// One row of the list of checks.
struct CheckInfo {
  std::string_view id;
  Level level = Level::Warning;  ///< Its usual level; a finding may be milder or worse.
  std::string_view what;         ///< One sentence.
};

/// Returns all checks, sorted by id.
std::span<const CheckInfo> checks();
/// Returns the row or nullptr.
const CheckInfo* find_check(std::string_view id);

/// Orders by file, line and column, and drops repetitions. Files in the order of `files`.
void sort_findings(Findings& findings, std::span<const std::string> files);

}  // namespace tocsin::lint
