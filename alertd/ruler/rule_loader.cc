#include "alertd/ruler/rule_loader.h"

#include <algorithm>
#include <set>

#include "common/base/hash.h"
#include "common/config/source.h"

namespace tocsin::ruler {
namespace {

constexpr std::size_t kFileBytesMax = 16U << 20U;
constexpr std::size_t kFilesMax = 10'000;

bool is_rule_file(const std::string& name) {
  return !name.starts_with('.') &&
         (name.ends_with(".toml") || name.ends_with(".yml") || name.ends_with(".yaml"));
}

void add_error(base::Diagnostics& diagnostics, const std::string& file, std::string message) {
  diagnostics.push_back(
      {base::DiagnosticSeverity::Error, file, 0, 0, std::move(message), std::string()});
}

/// Folders become their files; every file once, in the order given.
std::vector<std::string> expand_paths(const std::vector<std::string>& paths,
                                      const base::FileSystem& files,
                                      base::Diagnostics& diagnostics) {
  std::vector<std::string> found;
  std::set<std::string> seen;
  const auto add = [&](const std::string& file) {
    if (seen.insert(file).second) found.push_back(file);
  };
  for (const std::string& path : paths) {
    if (!files.is_folder(path)) {
      add(path);
      continue;
    }
    const auto names = files.list(path);
    if (!names) {
      add_error(diagnostics, path, names.error().message);
      continue;
    }
    for (const std::string& name : *names) {
      const std::string file = base::join_path(path, name);
      if (is_rule_file(name) && !files.is_folder(file)) add(file);
    }
  }
  if (found.size() > kFilesMax) {
    add_error(diagnostics, paths.empty() ? std::string() : paths.front(),
              std::to_string(found.size()) + " rule files, limit " + std::to_string(kFilesMax));
    found.resize(kFilesMax);
  }
  return found;
}

std::uint64_t combine(std::uint64_t seed, std::string_view file, std::string_view text) {
  return base::fnv1a(text, base::fnv1a(file, seed) ^ text.size());
}

/// "file:line:column: message" becomes a place and a message; other texts stay whole.
void add_source_error(base::Diagnostics& diagnostics, const std::string& file,
                      const std::string& text) {
  const std::string prefix = file + ":";
  if (!text.starts_with(prefix)) {
    add_error(diagnostics, file, text);
    return;
  }
  std::size_t numbers[2] = {0, 0};
  std::size_t at = prefix.size();
  for (std::size_t& number : numbers) {
    const std::size_t begin = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9' && at - begin < 9) {
      number = number * 10 + static_cast<std::size_t>(text[at++] - '0');
    }
    if (at == begin || at >= text.size() || text[at] != ':') {
      add_error(diagnostics, file, text);
      return;
    }
    ++at;
  }
  while (at < text.size() && text[at] == ' ') ++at;
  diagnostics.push_back({base::DiagnosticSeverity::Error, file, numbers[0], numbers[1],
                         text.substr(at), std::string()});
}

}  // namespace

RuleSet load_rules(const std::vector<std::string>& paths, const RuleFileOptions& options,
                   const base::FileSystem& files) {
  RuleSet set;
  set.fingerprint = base::fnv1a("");
  for (const std::string& file : expand_paths(paths, files, set.diagnostics)) {
    auto source = config::load_source(files, file, kFileBytesMax);
    if (!source) {
      add_source_error(set.diagnostics, file, source.error().message);
      continue;
    }
    set.fingerprint = combine(set.fingerprint, file, source->text);
    auto groups = read_rule_file(*source, options, files, set.diagnostics);
    std::move(groups.begin(), groups.end(), std::back_inserter(set.groups));
    set.sources.push_back(std::move(*source));
  }
  return set;
}

std::uint64_t rules_fingerprint(const std::vector<std::string>& paths,
                                const base::FileSystem& files) {
  base::Diagnostics ignored;
  std::uint64_t result = base::fnv1a("");
  for (const std::string& file : expand_paths(paths, files, ignored)) {
    const auto text = files.read(file, kFileBytesMax);
    if (!text) return 0;
    result = combine(result, file, *text);
  }
  return result;
}

CheckResult check_rule_paths(const std::vector<std::string>& paths, const RuleFileOptions& options,
                             const base::FileSystem& files) {
  RuleSet set = load_rules(paths, options, files);
  CheckResult result;
  result.diagnostics = std::move(set.diagnostics);
  result.files = set.sources.size();
  result.sources = std::move(set.sources);
  result.groups = set.groups.size();
  for (const RuleGroup& group : set.groups) {
    for (const Rule& rule : group.rules) {
      ++(rule.kind == RuleKind::Alerting ? result.alerting_rules : result.recording_rules);
    }
  }
  return result;
}

}  // namespace tocsin::ruler
