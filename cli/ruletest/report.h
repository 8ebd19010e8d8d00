// What came of testing, for people and for machines.
#pragma once

#include <string>

#include "cli/ruletest/suite.h"

namespace tocsin::ruletest {

struct TextStyle {
  bool color = false;
  bool whole_diff = false;  ///< --diff: also the lines that are as expected.
};

/// Warnings and failures, each with its place, excerpt and difference.
std::string findings_text(const SuiteResult& result, const TextStyle& style);

/// One line a file, the coverage, and the sum.
std::string summary_text(const SuiteResult& result);

/// {"passed", "files": [{"file", "passed", "left_out", "diagnostics", "tests": [...]}],
/// "coverage"}.
std::string to_json(const SuiteResult& result);

/// JUnit XML: a suite a file, a case a test; what is not supported is a skipped case of its own.
/// All findings of a test are one failure: readers of the format look at the first only.
std::string to_junit(const SuiteResult& result);

}  // namespace tocsin::ruletest
