// All of `tocsin test`: finds test files, runs them, adds up.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/ruletest/coverage.h"
#include "cli/ruletest/run_options.h"

namespace tocsin::ruletest {

struct SuiteOptions {
  std::vector<std::string> paths;  ///< Files, and folders with everything below them.
  std::vector<std::string> run;    ///< Regular expressions.
  bool ignore_unknown_fields = false;
  bool coverage = false;
};

struct SuiteResult {
  std::vector<FileResult> files;
  std::optional<CoverageReport> coverage;

  bool passed() const;
};

/// Finds and runs the tests.
///
/// In folders, *.test is of our format, and *.yml and *.yaml with a key `tests` are Prometheus's; a
/// file given by name is Prometheus's if it ends in .yml or .yaml. With `coverage`, rule files that
/// lie in the folders given count too, tested or not; one that cannot be read is a failure.
/// Errors: InvalidArgument (bad regular expression, one that finds no test, nothing to test),
/// NotFound (a path), LimitExceeded (folders nested too deeply).
base::Result<SuiteResult> run_suite(const SuiteOptions& options, const base::FileSystem& files,
                                    const base::Clock& clock);

}  // namespace tocsin::ruletest
