// Runs the tests of one file of ours.
#pragma once

#include "cli/ruletest/run_options.h"
#include "cli/ruletest/scenario.h"

namespace tocsin::ruletest {

/// Reads and runs the file. Thread: any; one file at a time for one cache.
FileResult run_test_file(config::Source source, const RunWorld& world);

/// Plays one test on the rules alone. Internal.
void play_rules(const TestCase& test, const std::vector<ruler::RuleGroup>& groups,
                CaseResult& result);

/// Plays one test on the whole daemon. `interval` is what groups without one have. Errors:
/// InvalidArgument (its configuration; the message has all of it). Internal.
base::Result<void> play_daemon(const TestFile& file, const TestCase& test, const RunWorld& world,
                               CaseResult& result);

/// Notes which alerts the test's assertions are about. Internal.
void note_asserted(const TestCase& test, CaseResult& result);

}  // namespace tocsin::ruletest
