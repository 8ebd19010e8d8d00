// Files are recognised by what is in them: rules, alertd.toml or agent.toml. Checking alertd.toml
// also checks the rules that it names, as the daemon would read them.

#include "cli/check.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <ostream>

#include "agent/app/settings.h"
#include "alertd/app/settings.h"
#include "alertd/ruler/rule_loader.h"
#include "common/config/source.h"
#include "common/config/toml.h"

namespace tocsin::cli {
namespace {

constexpr std::size_t kFileBytesMax = 16 << 20;

enum class FileKind { Rules, Alertd, Agent };

struct Findings {
  base::Diagnostics diagnostics;
  std::vector<config::Source> sources;
  std::size_t files = 0;
  std::size_t groups = 0;
  std::size_t rules = 0;

  void add(base::Diagnostics more, std::vector<config::Source> from) {
    diagnostics.insert(diagnostics.end(), more.begin(), more.end());
    sources.insert(sources.end(), std::make_move_iterator(from.begin()),
                   std::make_move_iterator(from.end()));
  }
};

FileKind kind_of(const std::string& path, const base::FileSystem& files) {
  if (files.is_folder(path) || !path.ends_with(".toml")) return FileKind::Rules;
  const auto source = config::load_source(files, path, kFileBytesMax);
  if (!source) return FileKind::Rules;  // whose reader says what is wrong with the file
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

void check_rules(const std::vector<std::string>& paths, const ruler::RuleFileOptions& options,
                 const base::FileSystem& files, Findings& findings) {
  ruler::CheckResult result = ruler::check_rule_paths(paths, options, files);
  findings.files += result.files;
  findings.groups += result.groups;
  findings.rules += result.alerting_rules + result.recording_rules;
  findings.add(std::move(result.diagnostics), std::move(result.sources));
}

void cannot_read(const std::string& path, const base::Error& error, Findings& findings) {
  base::Diagnostic diagnostic;
  diagnostic.file = path;
  diagnostic.message = error.message;
  findings.diagnostics.push_back(std::move(diagnostic));
}

void check_alertd(const std::string& path, const base::FileSystem& files, Findings& findings) {
  auto loaded = alertd::load_settings(path, files);
  if (!loaded) return cannot_read(path, loaded.error(), findings);
  const bool good = !base::has_errors(loaded->diagnostics);
  ++findings.files;
  findings.add(std::move(loaded->diagnostics), {std::move(loaded->source)});
  if (good) {
    check_rules(loaded->settings.rule_paths, loaded->settings.rule_files, files, findings);
  }
}

void check_agent(const std::string& path, const base::FileSystem& files, Findings& findings) {
  agent::LoadedSettings loaded = agent::load_settings(files, path, agent::surroundings());
  ++findings.files;
  findings.add(std::move(loaded.diagnostics), {std::move(loaded.source)});
}

std::string to_json(const base::Diagnostics& diagnostics) {
  boost::json::array array;
  for (const base::Diagnostic& d : diagnostics) {
    const bool error = d.severity == base::DiagnosticSeverity::Error;
    array.push_back({{"severity", error ? "error" : "warning"},
                     {"file", d.file},
                     {"line", d.line},
                     {"column", d.column},
                     {"message", d.message},
                     {"hint", d.hint}});
  }
  return boost::json::serialize(array);
}

std::string colored(std::string text) {
  for (const auto& [word, code] : {std::pair{": error: ", "31"}, std::pair{": warning: ", "33"}}) {
    const std::string_view plain = word;
    for (std::size_t at = text.find(plain); at != std::string::npos; at = text.find(plain, at)) {
      const std::string with =
          fmt::format(": \x1b[1;{}m{}\x1b[0m", code, plain.substr(2, plain.size() - 3)) + " ";
      text.replace(at, plain.size(), with);
      at += with.size();
    }
  }
  return text;
}

}  // namespace

int run_check(const CheckOptions& options, const base::FileSystem& files, std::ostream& out,
              std::ostream& err) {
  Findings findings;
  for (const std::string& path : options.paths) {
    if (!files.exists(path)) {
      err << fmt::format("tocsin check: '{}' does not exist\n", path);
      return 2;
    }
    switch (kind_of(path, files)) {
      case FileKind::Rules:
        check_rules({path}, {}, files, findings);
        break;
      case FileKind::Alertd:
        check_alertd(path, files, findings);
        break;
      case FileKind::Agent:
        check_agent(path, files, findings);
        break;
    }
  }
  const auto errors = static_cast<std::size_t>(
      std::count_if(findings.diagnostics.begin(), findings.diagnostics.end(),
                    [](const auto& d) { return d.severity == base::DiagnosticSeverity::Error; }));
  if (options.json) {
    out << to_json(findings.diagnostics) << '\n';
  } else {
    const std::string text = config::render_all(findings.diagnostics, findings.sources);
    err << (options.color ? colored(text) : text);
    out << fmt::format("checked {} files with {} groups and {} rules: {} errors, {} warnings\n",
                       findings.files, findings.groups, findings.rules, errors,
                       findings.diagnostics.size() - errors);
  }
  return errors == 0 ? 0 : 1;
}

}  // namespace tocsin::cli
