// Files are recognised by what is in them: rules, alertd.toml, agent.toml or alertmanager.yml.
// Checking alertd.toml also checks the rules that it names, as the daemon would read them.

#include "cli/lint/lint.h"

#include <fmt/core.h>

#include <algorithm>

#include "agent/app/settings.h"
#include "alertd/notify/alertmanager_receivers.h"
#include "alertd/oncall/directory_config.h"
#include "alertd/routing/alertmanager_config.h"
#include "cli/lint/expr_checks.h"
#include "cli/lint/route_checks.h"
#include "cli/lint/rule_checks.h"
#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/toml.h"
#include "common/config/yaml.h"

namespace tocsin::lint {
namespace {

constexpr std::size_t kFileBytesMax = 16 << 20;

enum class FileKind { Rules, Alertd, Agent, Alertmanager };

bool is_alertmanager(const config::Source& source) {
  base::Diagnostics ignored;
  const config::Node root = config::parse_yaml(source, ignored);
  return root.find("groups") == nullptr && root.find("receivers") != nullptr;
}

FileKind kind_of(const std::string& path, const base::FileSystem& files) {
  const auto source = config::load_source(files, path, kFileBytesMax);
  if (!source) return FileKind::Rules;  // whose reader says what is wrong with the file
  if (!path.ends_with(".toml")) {
    return is_alertmanager(*source) ? FileKind::Alertmanager : FileKind::Rules;
  }
  base::Diagnostics ignored;
  const config::Node root = config::parse_toml(*source, ignored);
  const auto has = [&](std::string_view key) { return root.find(key) != nullptr; };
  if (has("group")) return FileKind::Rules;
  if (has("agent") || has("spool") || has("alertd") || has("scrape")) return FileKind::Agent;
  if (has("server") || has("store") || has("rules") || has("receiver") || has("route") ||
      has("ingest") || has("smtp") || has("incident")) {
    return FileKind::Alertd;
  }
  // A broken file has no tables to go by; its name is what is left.
  if (path.ends_with("alertd.toml")) return FileKind::Alertd;
  if (path.ends_with("agent.toml")) return FileKind::Agent;
  return FileKind::Rules;
}

bool is_rule_name(const std::string& name) {
  return !name.starts_with('.') &&
         (name.ends_with(".toml") || name.ends_with(".yml") || name.ends_with(".yaml"));
}

/// The rule files of a folder, as the daemon finds them; false if it cannot be read.
bool rule_files_of(const std::string& folder, const base::FileSystem& files,
                   std::vector<std::string>& found) {
  const auto names = files.list(folder);
  if (!names) return false;
  for (const std::string& name : *names) {
    const std::string path = base::join_path(folder, name);
    if (is_rule_name(name) && !files.is_folder(path)) found.push_back(path);
  }
  return true;
}

base::Diagnostic at_file(const std::string& file, std::string message) {
  base::Diagnostic diagnostic;
  diagnostic.file = file;
  diagnostic.message = std::move(message);
  return diagnostic;
}

}  // namespace

std::size_t LintResult::count(Level level) const {
  return static_cast<std::size_t>(
      std::count_if(findings.begin(), findings.end(),
                    [&](const Finding& finding) { return finding.level == level; }));
}

void Run::note(const base::Diagnostics& diagnostics, std::string_view default_id) {
  for (const base::Diagnostic& diagnostic : diagnostics) {
    loaded_.push_back(from_diagnostic(diagnostic, default_id));
  }
}

void Run::load(const std::vector<std::string>& paths, const base::FileSystem& files) {
  // Configuration first: it says what the defaults of the rules beside it are.
  for (const std::string& path : paths) {
    if (!files.is_folder(path) && kind_of(path, files) != FileKind::Rules) load_path(path, files);
  }
  for (const std::string& path : paths) {
    if (files.is_folder(path)) {
      load_folder(path, files);
    } else if (kind_of(path, files) == FileKind::Rules) {
      load_path(path, files);
    }
  }
  corpus_.finish();
}

void Run::load_path(const std::string& path, const base::FileSystem& files) {
  switch (kind_of(path, files)) {
    case FileKind::Rules:
      load_rules(
          {path},
          configured_.empty() ? ruler::RuleFileOptions{} : configured_.front().settings.rule_files,
          files);
      break;
    case FileKind::Alertd:
      load_alertd(path, files);
      break;
    case FileKind::Agent:
      load_agent(path, files);
      break;
    case FileKind::Alertmanager:
      load_alertmanager(path, files);
      break;
  }
}

void Run::load_folder(const std::string& path, const base::FileSystem& files) {
  std::vector<std::string> found;
  if (!rule_files_of(path, files, found)) {
    note({at_file(path, "the folder cannot be read")}, "rules-empty");
    return;
  }
  const std::string inner = base::join_path(path, "rules");
  const bool has_inner = files.is_folder(inner);
  if (found.empty() && !has_inner) {
    empty_folder(path, at_file(path, ""));
    return;
  }
  std::stable_partition(found.begin(), found.end(), [&](const std::string& file) {
    return kind_of(file, files) != FileKind::Rules;
  });
  for (const std::string& file : found) load_path(file, files);
  if (has_inner) load_folder(inner, files);
}

void Run::empty_folder(const std::string& folder, const base::Diagnostic& where) {
  Finding finding = from_diagnostic(where, "rules-empty");
  finding.message = fmt::format("the folder '{}' has no rule file: no alert can ever fire", folder);
  finding.hint = "rule files end in .toml, .yml or .yaml and stand in the folder itself, not below";
  loaded_.push_back(std::move(finding));
}

void Run::load_rules(const std::vector<std::string>& paths, const ruler::RuleFileOptions& options,
                     const base::FileSystem& files) {
  std::vector<std::string> fresh;
  for (const std::string& path : paths) {
    if (seen_.insert(path).second) fresh.push_back(path);
  }
  if (fresh.empty()) return;
  ruler::RuleSet set = ruler::load_rules(fresh, options, files);
  files_ += set.sources.size();
  note(set.diagnostics, "rule-syntax");
  sources_.insert(sources_.end(), set.sources.begin(), set.sources.end());
  corpus_.add(std::move(set));
}

void Run::load_alertd(const std::string& path, const base::FileSystem& files) {
  if (!seen_.insert(path).second) return;
  auto loaded = alertd::load_settings(path, files);
  ++files_;
  if (!loaded) return note({at_file(path, loaded.error().message)}, "config");
  note(loaded->diagnostics, "config");
  sources_.push_back(loaded->source);
  base::Diagnostics ignored;
  config::Node root = config::parse_toml(loaded->source, ignored);
  const Document& document = corpus_.add_file(loaded->source, std::move(root));
  if (base::has_errors(loaded->diagnostics)) return;
  const config::Node* rules = document.root.find("rules");
  const config::Node* written = rules == nullptr ? nullptr : rules->find("paths");
  std::vector<std::string> found;
  for (const std::string& rule_path : loaded->settings.rule_paths) {
    base::Diagnostic where = at_file(path, "");
    if (written != nullptr) {
      where.line = written->at.line;
      where.column = written->at.column;
    }
    if (!files.exists(rule_path)) {
      Finding finding = from_diagnostic(where, "rules-empty");
      finding.message = fmt::format("'{}' does not exist", rule_path);
      finding.hint = "[rules] paths names files or folders; the daemon does not start without them";
      loaded_.push_back(std::move(finding));
      continue;
    }
    if (!files.is_folder(rule_path)) {
      found.push_back(rule_path);
      continue;
    }
    const std::size_t before = found.size();
    if (rule_files_of(rule_path, files, found) && found.size() == before) {
      empty_folder(rule_path, where);
    }
  }
  load_rules(found, loaded->settings.rule_files, files);
  configured_.push_back({std::move(loaded->settings), &document});
}

void Run::load_alertmanager(const std::string& path, const base::FileSystem& files) {
  if (!seen_.insert(path).second) return;
  auto source = config::load_source(files, path, kFileBytesMax);
  ++files_;
  if (!source) return note({at_file(path, source.error().message)}, "config");
  base::Diagnostics diagnostics;
  const config::Node document = config::parse_yaml(*source, diagnostics);
  config::Context context{*source, diagnostics, files};
  config::Table root(context, &document);
  if (!base::has_errors(diagnostics)) {
    notify::read_alertmanager_receivers(root);
    routing::read_alertmanager_routing(root);
    root.finish();
  }
  note(diagnostics, "config");
  sources_.push_back(std::move(*source));
}

void Run::load_agent(const std::string& path, const base::FileSystem& files) {
  if (!seen_.insert(path).second) return;
  agent::LoadedSettings loaded = agent::load_settings(files, path, agent::surroundings());
  ++files_;
  note(loaded.diagnostics, "agent-config");
  sources_.push_back(std::move(loaded.source));
}

void Run::check(const LintOptions& options, const base::FileSystem& files) {
  checked_ = true;
  Reporter reporter(corpus_, options.allowed);
  for (Finding& finding : loaded_) reporter.add(std::move(finding));
  loaded_.clear();
  LabelFlow flow(corpus_, options.inventory);
  ExprWorld here{reporter, flow, options.inventory, options.scrape_interval};
  // Groups of a datasource read what that engine has, which alertd does not know.
  LabelFlow unknown(corpus_, nullptr);
  ExprWorld elsewhere{reporter, unknown, nullptr, options.scrape_interval};
  const bool of_alertd = options.inventory != nullptr && options.inventory->of_alertd;
  for (const Subject& subject : corpus_.subjects()) {
    const std::string& datasource = subject.group->datasource;
    const bool here_only = datasource.empty() || datasource == "local";
    ExprWorld& world = of_alertd && !here_only ? elsewhere : here;
    check_texts(subject, reporter, files);
    check_times(subject, reporter);
    if (!subject.rule->expr) continue;
    check_selectors(subject, world);
    check_functions(subject, world);
    check_joins(subject, world);
    check_comparisons(subject, world);
    check_templates(subject, world);
  }
  check_duplicates(reporter);
  for (const Configured& one : configured_) {
    check_routes(one.settings, *one.document, reporter);
    if (!options.now) continue;
    base::Diagnostics gaps;
    oncall::warn_of_gaps(one.settings.incident.directory, one.document->source.file, *options.now,
                         *options.now + oncall::kGapHorizon, gaps);
    for (const base::Diagnostic& gap : gaps) reporter.add(from_diagnostic(gap, "schedule-gap"));
  }
  reporter.check_allowances();
  suppressed_ = reporter.suppressed();
  findings_ = reporter.take();
}

LintResult Run::result() {
  LintResult result;
  result.findings = checked_ ? std::move(findings_) : std::move(loaded_);
  std::vector<std::string> order;
  for (const config::Source& source : sources_) order.push_back(source.file);
  sort_findings(result.findings, order);
  result.sources = std::move(sources_);
  for (const Subject& subject : corpus_.subjects()) {
    result.rules.push_back({subject.document->source.file, subject.group->name, subject.rule->name,
                            subject.rule->place.line});
  }
  result.files = files_;
  result.groups = corpus_.groups();
  result.suppressed = suppressed_;
  return result;
}

}  // namespace tocsin::lint
