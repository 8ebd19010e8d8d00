// What came of testing: values that the reports are made from.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/base/diagnostic.h"
#include "common/base/time.h"
#include "common/config/node.h"
#include "common/model/severity.h"

namespace tocsin::ruletest {

/// One assertion that did not hold, or could not be looked at.
struct Finding {
  base::Position at;                  ///< In the test file; line 0: nowhere in particular.
  std::string message;                ///< "at 5m: alert InstanceDown is not as expected"
  std::vector<std::string> expected;  ///< One element a line; compared with `got` as sets.
  std::vector<std::string> got;
  std::vector<std::string> details;  ///< What helps to see why, such as values of expressions.
};

/// What a test saw of one rule; for coverage.
struct RuleTrace {
  bool pending = false;
  bool resolved = false;
  bool recorded = false;            ///< A recording rule gave a sample.
  std::set<model::Severity> fired;  ///< The severities at which it fired.
};

/// Rules by place, as rule_key() gives it.
using Traces = std::map<std::string, RuleTrace>;

struct CaseResult {
  std::string name;
  base::Position at;
  std::vector<Finding> failures;
  std::vector<Finding> unsupported;  ///< Need what this release does not have; never a failure.
  std::size_t assertions = 0;
  base::Duration took{0};
  Traces traces;
  std::set<std::string> asserted;  ///< Names of alerts that an assertion of the test is about.

  bool passed() const { return failures.empty(); }
};

struct FileResult {
  std::string file;
  std::vector<config::Source> sources;  ///< The test file first, then rule files; for excerpts.
  base::Diagnostics diagnostics;        ///< Errors mean that nothing of the file ran.
  std::vector<CaseResult> cases;
  std::size_t left_out = 0;  ///< Cases whose name --run does not ask for.

  bool passed() const;
};

}  // namespace tocsin::ruletest
