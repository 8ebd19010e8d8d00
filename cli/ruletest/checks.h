// Assertions held against what was seen. Each function appends what does not hold.
#pragma once

#include <functional>

#include "cli/ruletest/history.h"
#include "cli/ruletest/result.h"
#include "cli/ruletest/scenario.h"

namespace tocsin::ruletest {

/// Lines that explain why an alert is as it is, such as the value of its expression now.
using Explain = std::function<std::vector<std::string>(const std::string& alert_name)>;

/// Returns whether the numbers are the same but for rounding: a relative difference of 1e-6.
bool equal_numbers(double a, double b);

/// Holds the assertions [begin, end), which are about the same time, against the alerts as they
/// are now. A name that one of them says is pending or firing may have no further active alerts.
void check_alerts(const AlertCheck* begin, const AlertCheck* end, const History& history,
                  const Explain& explain, std::vector<Finding>& failures);

/// Refuses names that no rule has: "none" of a name that is misspelt would hold for ever.
void check_names(const TestCase& test, const std::vector<ruler::RuleGroup>& groups,
                 std::vector<Finding>& failures);

/// At the end of the test.
void check_timeline(const TimelineCheck& check, const History& history,
                    std::vector<Finding>& failures);
void check_never_fires(base::Position place, const AlertSelector& alert, const History& history,
                       std::vector<Finding>& failures);

/// Compares the result of a query.
void check_query(const QueryCheck& check, const base::Result<promql::QueryResult>& result,
                 std::vector<Finding>& failures);

/// Wanted and unwanted failures of rules; `errors` has the first of each rule.
void check_errors(const TestCase& test, const std::vector<std::pair<std::string, Finding>>& errors,
                  std::vector<Finding>& failures);

}  // namespace tocsin::ruletest
