// `tocsin check`: files in, findings out.
//
//   lint::Run run;
//   run.load(paths, files);              // what the daemon would refuse
//   run.check(options, files);           // and what it would run in vain
//   report_text(run.result(), ...);
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "alertd/app/settings.h"
#include "cli/lint/corpus.h"
#include "cli/lint/finding.h"
#include "cli/lint/inventory.h"

namespace tocsin::lint {

struct LintOptions {
  const Inventory* inventory = nullptr;  ///< Null: names are not checked.
  std::set<std::string> allowed;         ///< Ids of checks that are off.
  base::Duration scrape_interval{15'000};
  std::optional<base::WallTime> now;  ///< From when on schedules are looked at for gaps.
};

/// What is known after a run; findings sorted by place.
struct LintResult {
  Findings findings;
  std::vector<config::Source> sources;
  /// Every rule looked at: file, group, name, line; for JUnit.
  struct RuleSeen {
    std::string file, group, name;
    std::size_t line = 0;
  };
  std::vector<RuleSeen> rules;
  std::size_t files = 0;
  std::size_t groups = 0;
  std::size_t suppressed = 0;

  std::size_t count(Level level) const;
};

/// One run over files and folders. Thread: one.
class Run {
 public:
  /// Reads files by what is in them: alertd.toml (with the rules that it names), agent.toml, rules.
  /// Of a folder: its configuration files, its rule files, and those of its folder `rules`.
  /// Returns what the daemon or the agent would refuse, and their warnings.
  void load(const std::vector<std::string>& paths, const base::FileSystem& files);

  /// Names of metrics that the rules select: what an inventory has to know.
  std::set<std::string> selected_metrics() const { return corpus_.selected_metrics(); }

  /// Runs all other checks. Call once, after load().
  void check(const LintOptions& options, const base::FileSystem& files);

  /// Call once, at the end.
  LintResult result();

 private:
  struct Configured {
    alertd::Settings settings;
    const Document* document = nullptr;
  };

  void load_path(const std::string& path, const base::FileSystem& files);
  void load_folder(const std::string& path, const base::FileSystem& files);
  void load_rules(const std::vector<std::string>& paths, const ruler::RuleFileOptions& options,
                  const base::FileSystem& files);
  void load_alertd(const std::string& path, const base::FileSystem& files);
  void load_agent(const std::string& path, const base::FileSystem& files);
  void load_alertmanager(const std::string& path, const base::FileSystem& files);
  void note(const base::Diagnostics& diagnostics, std::string_view default_id);
  void empty_folder(const std::string& folder, const base::Diagnostic& where);

  Corpus corpus_;
  std::vector<Finding> loaded_;  ///< Before allowances are applied.
  std::vector<Configured> configured_;
  std::set<std::string> seen_;  ///< Rule files, each once.
  std::vector<config::Source> sources_;
  Findings findings_;
  std::size_t files_ = 0;
  std::size_t suppressed_ = 0;
  bool checked_ = false;
};

}  // namespace tocsin::lint
