#include "cli/ruletest/suite.h"

#include <fmt/core.h>
#include <re2/re2.h>

#include <algorithm>
#include <set>

#include "cli/ruletest/promtool_runner.h"
#include "cli/ruletest/scenario_runner.h"
#include "common/base/strings.h"
#include "common/config/source.h"
#include "common/config/yaml.h"

namespace tocsin::ruletest {
namespace {

constexpr std::size_t kFileBytesMax = 64U << 20U;
constexpr int kDepthMax = 32;

bool is_yaml(const std::string& path) {
  return path.ends_with(".yml") || path.ends_with(".yaml");
}

bool is_prometheus_test(const std::string& path, const base::FileSystem& files) {
  const auto source = config::load_source(files, path, kFileBytesMax);
  if (!source) return false;
  base::Diagnostics ignored;
  return config::parse_yaml(*source, ignored).find("tests") != nullptr;
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
    } else if (name.ends_with(".test") || (is_yaml(name) && is_prometheus_test(path, files))) {
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

}  // namespace

bool SuiteResult::passed() const {
  return std::all_of(files.begin(), files.end(),
                     [](const FileResult& file) { return file.passed(); });
}

base::Result<SuiteResult> run_suite(const SuiteOptions& options, const base::FileSystem& files,
                                    const base::Clock& clock) {
  TC_TRY(const RunOptions compiled, compile(options));
  Found found;
  for (const std::string& path : options.paths) {
    if (!files.exists(path)) {
      return base::error(base::ErrorCode::NotFound, fmt::format("'{}' does not exist", path));
    }
    if (files.is_folder(path)) {
      TC_TRY(look_into(path, files, 0, found));
    } else {
      found.tests.push_back(path);
    }
  }
  if (found.tests.empty()) {
    return base::error(base::ErrorCode::InvalidArgument,
                       "no test files found: *.test, or *.yml and *.yaml with a key 'tests'");
  }
  RuleCache rules(files, options.ignore_unknown_fields);
  const RunWorld world{files, clock, compiled, rules};
  SuiteResult result;
  for (const std::string& path : found.tests) result.files.push_back(run_file(path, world));
  if (options.coverage) {
    // Each by itself: a file that is no rule file, such as alertd.toml, does not count.
    for (const std::string& path : found.rules) rules.load({path}, std::chrono::seconds(15));
    result.coverage = measure_coverage(rules.rules(), result.files);
  }
  return result;
}

}  // namespace tocsin::ruletest
