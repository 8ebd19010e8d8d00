// What running tests needs from outside, and how much of it is asked for.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "alertd/ruler/rule_loader.h"
#include "cli/ruletest/result.h"
#include "common/base/clock.h"
#include "common/base/file_system.h"

namespace re2 {
class RE2;
}

namespace tocsin::ruletest {

struct RunOptions {
  /// Only tests whose name one of these finds; empty: all.
  std::vector<std::shared_ptr<const re2::RE2>> run;
  bool ignore_unknown_fields = false;
};

/// Rule files, read once for all the tests that use them. Owner: one run.
class RuleCache {
 public:
  RuleCache(const base::FileSystem& files, bool unknown_keys_allowed)
      : files_(files), unknown_keys_allowed_(unknown_keys_allowed) {}

  const ruler::RuleSet& load(const std::vector<std::string>& paths, base::Duration interval);
  /// All that was read without errors, each rule once, by rule_key(). Pointers into the cache.
  std::map<std::string, const ruler::Rule*> rules() const;

 private:
  const base::FileSystem& files_;
  bool unknown_keys_allowed_;
  std::map<std::string, std::unique_ptr<ruler::RuleSet>> sets_;
};

/// What is the same for all tests of a run.
struct RunWorld {
  const base::FileSystem& files;
  const base::Clock& clock;  ///< For how long tests take.
  const RunOptions& options;
  RuleCache& rules;
};

/// Returns whether the name is asked for.
bool wanted(const RunOptions& options, const std::string& name);

/// Adds what is wrong with a rule set to a file's result; warnings are left to `tocsin check`.
/// Returns whether the rules can be used.
bool take_diagnostics(const ruler::RuleSet& set, FileResult& result);

}  // namespace tocsin::ruletest
