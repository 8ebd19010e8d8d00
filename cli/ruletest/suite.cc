#include "cli/ruletest/suite.h"

#include <fmt/core.h>
#include <re2/re2.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "cli/ruletest/promtool_runner.h"
#include "cli/ruletest/scenario_runner.h"
#include "common/base/strings.h"
#include "common/config/source.h"
#include "common/config/toml.h"
#include "common/config/yaml.h"

namespace tocsin::ruletest {
namespace {

constexpr std::size_t kFileBytesMax = 64U << 20U;
constexpr int kDepthMax = 32;

bool is_yaml(const std::string& path) {
  return path.ends_with(".yml") || path.ends_with(".yaml");
}

bool yaml_has_key(const std::string& path, const char* key, const base::FileSystem& files) {
  const auto source = config::load_source(files, path, kFileBytesMax);
  if (!source) return false;
  base::Diagnostics ignored;
  return config::parse_yaml(*source, ignored).find(key) != nullptr;
}

/// Not alertd.toml, not a YAML file of another program.
bool is_rule_file(const std::string& path, const base::FileSystem& files) {
  if (is_yaml(path)) return yaml_has_key(path, "groups", files);
  const auto source = config::load_source(files, path, kFileBytesMax);
  if (!source) return false;
  base::Diagnostics ignored;
  return config::parse_toml(*source, ignored).find("group") != nullptr;
}

/// What lies in the folders given.
struct Found {
  std::vector<std::string> tests;
  std::vector<std::string> rules;
};

base::Result<void> look_into(const std::string& folder, const base::FileSystem& files, int depth,
                             Found& found) {
  if (depth > kDepthMax) {
    return base::error(base::ErrorCode::LimitExceeded,
                       fmt::format("'{}' is nested deeper than {} folders", folder, kDepthMax));
  }
  TC_TRY(const auto names, files.list(folder));
  for (const std::string& name : names) {
    if (name.starts_with('.')) continue;
    const std::string path = base::join_path(folder, name);
    if (files.is_folder(path)) {
      TC_TRY(look_into(path, files, depth + 1, found));
    } else if (name.ends_with(".test") || (is_yaml(name) && yaml_has_key(path, "tests", files))) {
      found.tests.push_back(path);
    } else if (name.ends_with(".toml") || is_yaml(name)) {
      found.rules.push_back(path);
    }
  }
  return base::ok();
}

FileResult run_file(const std::string& path, const RunWorld& world) {
  auto source = config::load_source(world.files, path, kFileBytesMax);
  if (!source) {
    FileResult result;
    result.file = path;
    result.diagnostics.push_back(
        {base::DiagnosticSeverity::Error, path, 0, 0, source.error().message, {}});
    return result;
  }
  return is_yaml(path) ? run_promtool_file(std::move(*source), world)
                       : run_test_file(std::move(*source), world);
}

base::Result<RunOptions> compile(const SuiteOptions& options) {
  RunOptions compiled;
  compiled.ignore_unknown_fields = options.ignore_unknown_fields;
  for (const std::string& text : options.run) {
    RE2::Options quiet;
    quiet.set_log_errors(false);
    auto pattern = std::make_shared<RE2>(text, quiet);
    if (!pattern->ok()) {
      return base::error(base::ErrorCode::InvalidArgument,
                         fmt::format("--run '{}': {}", text, pattern->error()));
    }
    compiled.run.push_back(std::move(pattern));
  }
  return compiled;
}

base::Result<Found> find(const std::vector<std::string>& paths, const base::FileSystem& files) {
  Found found;
  for (const std::string& path : paths) {
    if (!files.exists(path)) {
      return base::error(base::ErrorCode::NotFound, fmt::format("'{}' does not exist", path));
    }
    if (files.is_folder(path)) {
      TC_TRY(look_into(path, files, 0, found));
    } else {
      found.tests.push_back(path);
    }
  }
  // A file and the folder it lies in may both be given.
  std::set<std::string> seen;
  std::erase_if(found.tests, [&](const std::string& path) {
    return !seen.insert(std::filesystem::path(path).lexically_normal().string()).second;
  });
  if (found.tests.empty()) {
    return base::error(base::ErrorCode::NotFound,
                       "no test files found: *.test, or *.yml and *.yaml with a key 'tests'");
  }
  return found;
}

/// Rule files that no test names count too; one that cannot be read fails, for it would not count.
void add_rules(const std::vector<std::string>& paths, const base::FileSystem& files,
               RuleCache& rules, SuiteResult& result) {
  for (const std::string& path : paths) {
    if (!is_rule_file(path, files)) continue;
    FileResult file;
    file.file = path;
    if (take_diagnostics(rules.load({path}, std::chrono::seconds(15)), file)) continue;
    result.files.push_back(std::move(file));
  }
}

/// A slip in --run must not look like success.
bool nothing_ran(const SuiteResult& result) {
  return std::all_of(result.files.begin(), result.files.end(), [](const FileResult& file) {
    return file.cases.empty() && file.left_out > 0;
  });
}

}  // namespace

bool SuiteResult::passed() const {
  return std::all_of(files.begin(), files.end(),
                     [](const FileResult& file) { return file.passed(); });
}

base::Result<SuiteResult> run_suite(const SuiteOptions& options, const base::FileSystem& files,
                                    const base::Clock& clock) {
  TC_TRY(const RunOptions compiled, compile(options));
  TC_TRY(const Found found, find(options.paths, files));
  RuleCache rules(files, options.ignore_unknown_fields);
  const RunWorld world{files, clock, compiled, rules};
  SuiteResult result;
  for (const std::string& path : found.tests) result.files.push_back(run_file(path, world));
  if (nothing_ran(result)) {
    return base::error(
        base::ErrorCode::NotFound,
        fmt::format("no test has a name that --run {} finds", base::join(options.run, " or ")));
  }
  if (options.coverage) {
    add_rules(found.rules, files, rules, result);
    result.coverage = measure_coverage(rules.rules(), result.files);
  }
  return result;
}

}  // namespace tocsin::ruletest
