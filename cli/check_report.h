// Findings as text for people, and as JSON, SARIF and JUnit for machines.
#pragma once

#include <string>

#include "cli/lint/lint.h"

namespace tocsin::cli {

using lint::LintResult;

/// As a compiler prints: place, level, message and id, the line with the part underlined, the hint.
/// Nothing of the files reaches the terminal without being made harmless.
std::string report_text(const LintResult& result, bool color);

/// "checked 3 files with 4 groups and 40 rules: 0 errors, 1 warnings, 2 infos, 1 allowed".
std::string summary_text(const LintResult& result);

/// An array of objects: id, severity, file, line, column, end_column, message, hint, group, rule.
std::string report_json(const LintResult& result);

/// SARIF 2.1.0, which GitHub, GitLab and editors read. Source: OASIS sarif-v2.1.0.
std::string report_sarif(const LintResult& result);

/// JUnit XML: a suite for each file, a case for each rule and one for the file itself; a failure
/// for each finding that makes the check fail (`strict`: warnings too).
std::string report_junit(const LintResult& result, bool strict);

/// All checks as a table: id, level, what.
std::string check_list();

}  // namespace tocsin::cli
