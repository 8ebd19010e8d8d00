// A set of rule files and folders, read as a whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "alertd/ruler/rule_file.h"
#include "common/base/diagnostic.h"
#include "common/base/file_system.h"
#include "common/config/node.h"

namespace tocsin::ruler {

/// What the files say; use the groups only if has_errors(diagnostics) is false.
struct RuleSet {
  std::vector<RuleGroup> groups;
  std::vector<config::Source> sources;  ///< In order of reading; for excerpts.
  base::Diagnostics diagnostics;
  std::uint64_t fingerprint = 0;  ///< Of names and contents: differs when a file changed.
};

/// Reads `paths`: files of any ending, and folders with their *.toml, *.yml and *.yaml (not the
/// folders below, not names that begin with a dot). A path that does not exist is an error. Thread:
/// any.
RuleSet load_rules(const std::vector<std::string>& paths, const RuleFileOptions& options,
                   const base::FileSystem& files);

/// Returns the fingerprint that load_rules() would give, without reading rules; 0 if a file is
/// unreadable.
std::uint64_t rules_fingerprint(const std::vector<std::string>& paths,
                                const base::FileSystem& files);

/// For `tocsin check`: what is wrong, where to take excerpts from, and how much was looked at.
struct CheckResult {
  base::Diagnostics diagnostics;
  std::vector<config::Source> sources;
  std::size_t files = 0;
  std::size_t groups = 0;
  std::size_t alerting_rules = 0;
  std::size_t recording_rules = 0;

  bool ok() const { return !base::has_errors(diagnostics); }
};

/// Reads the rules as the daemon would, without starting anything. Warnings do not make it fail.
CheckResult check_rule_paths(const std::vector<std::string>& paths, const RuleFileOptions& options,
                             const base::FileSystem& files);

}  // namespace tocsin::ruler
