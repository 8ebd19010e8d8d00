// For the unit tests of this folder: a disk in memory, and test files run from it.
#pragma once

#include <string>
#include <string_view>

#include "cli/ruletest/scenario_runner.h"
#include "common/base/sim_executor.h"
#include "common/config/source.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::ruletest {

/// Owner: one test.
struct PlayFixture {
  sim::SimFileSystem files;
  base::SimClock clock;
  RunOptions options;
  FileResult result;

  PlayFixture() = default;
  explicit PlayFixture(const std::string& rules) { put("/t/rules.toml", rules); }

  void put(const std::string& path, const std::string& content) {
    (void)files.create_folders(path.substr(0, path.rfind('/')));
    files.set_content(path, content);
  }

  /// Runs a test file that lies beside the rules.
  const FileResult& run(const std::string& text) {
    RuleCache rules(files, false);
    result = run_test_file({"/t/a.test", text}, {files, clock, options, rules});
    return result;
  }

  /// Everything that was found, readably: diagnostics with excerpts, then failures.
  std::string report() const {
    std::string text = config::render_all(result.diagnostics, result.sources);
    for (const CaseResult& one : result.cases) {
      for (const Finding& finding : one.failures) {
        text += std::to_string(finding.at.line) + ": " + finding.message + "\n";
        for (const std::string& line : finding.expected) text += "  - " + line + "\n";
        for (const std::string& line : finding.got) text += "  + " + line + "\n";
        for (const std::string& line : finding.details) text += "  | " + line + "\n";
      }
    }
    return text;
  }
  bool reports(std::string_view part) const { return report().find(part) != std::string::npos; }
};

}  // namespace tocsin::ruletest
