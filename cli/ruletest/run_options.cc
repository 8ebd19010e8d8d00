#include "cli/ruletest/run_options.h"

#include <re2/re2.h>

#include <algorithm>

#include "cli/ruletest/history.h"
#include "common/base/strings.h"

namespace tocsin::ruletest {

const ruler::RuleSet& RuleCache::load(const std::vector<std::string>& paths,
                                      base::Duration interval) {
  const std::string key = base::format_duration(interval) + "\n" + base::join(paths, "\n");
  std::unique_ptr<ruler::RuleSet>& set = sets_[key];
  if (!set) {
    ruler::RuleFileOptions options;
    options.interval_default = interval;
    options.unknown_keys_allowed = unknown_keys_allowed_;
    set = std::make_unique<ruler::RuleSet>(ruler::load_rules(paths, options, files_));
  }
  return *set;
}

std::map<std::string, const ruler::Rule*> RuleCache::rules() const {
  std::map<std::string, const ruler::Rule*> all;
  for (const auto& [key, set] : sets_) {
    if (base::has_errors(set->diagnostics)) continue;
    for (const ruler::RuleGroup& group : set->groups) {
      for (const ruler::Rule& rule : group.rules) {
        all.emplace(rule_key(rule.place.file, rule.place.line), &rule);
      }
    }
  }
  return all;
}

bool wanted(const RunOptions& options, const std::string& name) {
  return options.run.empty() ||
         std::any_of(options.run.begin(), options.run.end(),
                     [&](const auto& pattern) { return RE2::PartialMatch(name, *pattern); });
}

bool take_diagnostics(const ruler::RuleSet& set, FileResult& result) {
  const bool good = !base::has_errors(set.diagnostics);
  for (const base::Diagnostic& diagnostic : set.diagnostics) {
    if (diagnostic.severity != base::DiagnosticSeverity::Error) continue;
    result.diagnostics.push_back(diagnostic);
  }
  if (!good) result.sources.insert(result.sources.end(), set.sources.begin(), set.sources.end());
  return good;
}

}  // namespace tocsin::ruletest
