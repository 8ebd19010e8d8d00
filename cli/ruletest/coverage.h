// Which rules the tests saw at work.
//
// An item is a plain alert, one severity of a levelled alert, or a recording rule. An alert's item
// is covered if a test saw it fire (at that severity) and has an assertion about the alert: what
// fires by the way is not tested. A recording rule is covered if a test saw it give a sample.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "alertd/ruler/rule_model.h"
#include "cli/ruletest/result.h"

namespace tocsin::ruletest {

/// One rule and what all tests together saw of it.
struct RuleCoverage {
  std::string file;
  std::size_t line = 0;
  std::string name;
  bool alerting = true;
  bool levelled = false;
  std::vector<model::Severity> severities;  ///< Of a levelled alert: its levels, the worst first.
  RuleTrace seen;                           ///< By any test.
  RuleTrace asserted;                       ///< By tests with an assertion about it.
  std::size_t items = 0;
  std::size_t covered = 0;

  /// "fired critical, high; not medium", "pending only", "fired, but nothing is asserted", "never".
  std::string describe() const;
};

struct CoverageReport {
  std::vector<RuleCoverage> rules;  ///< By file and line.
  std::size_t items = 0;
  std::size_t covered = 0;

  /// 0 to 100; 100 if there is no rule.
  double percent() const;
};

CoverageReport measure_coverage(const std::map<std::string, const ruler::Rule*>& rules,
                                const std::vector<FileResult>& results);

}  // namespace tocsin::ruletest
